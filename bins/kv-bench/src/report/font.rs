//! The font of the plots, built into the program so that none has to be installed.

use std::sync::OnceLock;

use plotters::style::{FontStyle, register_font};

/// The family to draw text with, once [`register`] succeeded.
///
/// It is a list as in CSS: a viewer of the SVG takes the first that it has. The PNG is drawn with
/// the built-in font, which is registered under the whole list.
pub(super) const FAMILY: &str = "Roboto, Helvetica, Arial, sans-serif";

/// Roboto Regular, under the Apache License 2.0; see `assets/README.md`.
const ROBOTO: &[u8] = include_bytes!("../../assets/Roboto-Regular.ttf");

/// The built-in font could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the built-in font is not a valid font")]
pub(crate) struct InvalidFont;

/// Makes [`FAMILY`] known to the drawing library. Only the first call does any work.
pub(super) fn register() -> Result<(), InvalidFont> {
    // Static, because the library keeps one table of fonts for the whole process.
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let registered = REGISTERED.get_or_init(|| register_font(FAMILY, FontStyle::Normal, ROBOTO).is_ok());
    registered.then_some(()).ok_or(InvalidFont)
}

#[cfg(test)]
mod tests {
    use plotters::style::{FontDesc, FontFamily};

    use super::*;

    #[test]
    fn the_built_in_font_can_be_measured() {
        register().unwrap();
        register().unwrap();
        let font = FontDesc::new(FontFamily::Name(FAMILY), 20.0, FontStyle::Normal);
        let (width, height) = font.box_size("0–1000 ms ± ×").unwrap();
        assert!(width > 0 && height > 0);
    }
}
