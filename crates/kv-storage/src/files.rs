//! All that this crate does to a disk, in one place.
//!
//! So a test can note it down, and show what any loss of power in between may leave behind.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

/// A file that is written.
#[derive(Debug)]
pub(crate) struct Output {
    file: File,
    /// Where the next byte of [`Output::write_all`] goes.
    end: u64,
    #[cfg(test)]
    noted: Option<crate::trace::Noted>,
}

impl Output {
    /// A new, empty file instead of what was there.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = File::create(path)?;
        Ok(Self {
            file,
            end: 0,
            #[cfg(test)]
            noted: crate::trace::create(path),
        })
    }

    /// A file as it is.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().write(true).open(path)?;
        Ok(Self {
            end: file.metadata()?.len(),
            file,
            #[cfg(test)]
            noted: crate::trace::open(path),
        })
    }

    /// Writes behind all that is there.
    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, self.end)?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    pub(crate) fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        #[cfg(test)]
        self.noted.iter().for_each(|noted| noted.write(bytes, at));
        self.file.write_all_at(bytes, at)
    }

    pub(crate) fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Cuts the file.
    pub(crate) fn cut(&self, len: u64) -> io::Result<()> {
        #[cfg(test)]
        self.noted.iter().for_each(|noted| noted.set_len(len));
        self.file.set_len(len)
    }

    /// Makes an empty file so long, of zeros, if the file system can promise the room without writing them. If
    /// not it grows as it is written, which is only slower.
    pub(crate) fn reserve(&self, bytes: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, bytes) {
            Ok(()) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSPC) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        #[cfg(test)]
        self.noted.iter().for_each(|noted| noted.set_len(bytes));
        Ok(())
    }

    /// What was written outlives a loss of power from now on.
    pub(crate) fn sync_data(&self) -> io::Result<()> {
        #[cfg(test)]
        if let Some(noted) = &self.noted {
            noted.sync();
            return Ok(());
        }
        self.file.sync_data()
    }

    /// As [`Output::sync_data`], with all that the system knows of the file.
    pub(crate) fn sync_all(&self) -> io::Result<()> {
        #[cfg(test)]
        if let Some(noted) = &self.noted {
            noted.sync();
            return Ok(());
        }
        self.file.sync_all()
    }
}

/// Gives a file another name, and takes that name from the file that had it.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    #[cfg(test)]
    crate::trace::rename(from, to);
    Ok(())
}

/// Removes a file, if it is there.
pub(crate) fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Ok(()) => {
            #[cfg(test)]
            crate::trace::remove(file);
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The names in a directory outlive a loss of power from now on.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    #[cfg(test)]
    if crate::trace::sync_directory(path) {
        return Ok(());
    }
    File::open(path)?.sync_all()
}
