//! A crash in the middle of a reset.

use crate::durable::image::Image;

/// A crash has cut a reset short: it has forgotten its cluster, and perhaps not yet its data.
pub(super) fn is_half(image: &Image) -> bool {
    image.meta.cluster.is_none() && image.meta.promised > kv_core::Epoch::ZERO
}

/// What the reset was to leave.
pub(super) fn emptied(image: Image) -> Image {
    let mut empty = Image::new(image.meta.identity.node);
    empty.meta = image.meta;
    empty
}
