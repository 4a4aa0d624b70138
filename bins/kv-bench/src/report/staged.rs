//! [`Staged`]: a file that appears complete or not at all.

use std::path::{Path, PathBuf};
use std::{fs, io, process};

/// A report file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub(crate) struct WriteError {
    /// The file that was to be written.
    path: PathBuf,
    /// What the file system said.
    source: io::Error,
}

impl WriteError {
    /// `source` happened while writing `path`.
    pub(super) fn new(path: &Path, source: io::Error) -> Self {
        Self { path: path.to_owned(), source }
    }
}

/// A temporary file beside a target, which takes the target's place at [`commit`](Self::commit).
///
/// First [`beside`](Self::beside), then write the file at [`temp`](Self::temp), then commit.
/// Dropped before that, the temporary file goes and the target stays as it was. A reader of the
/// target sees the old file or the new one. Neither is forced to the disk: a report that a power
/// cut takes away can be made again.
#[derive(Debug)]
pub(super) struct Staged {
    /// The file to replace.
    target: PathBuf,
    /// The file to write; in the directory of `target`, so that the rename stays atomic.
    temp: PathBuf,
}

impl Staged {
    /// Prepares to replace `target`, and creates its directory if it is missing.
    ///
    /// Fails if the directory cannot be created, or if `target` does not end in a file name.
    pub(super) fn beside(target: &Path) -> Result<Self, WriteError> {
        let Some(name) = target.file_name() else {
            return Err(WriteError::new(target, io::ErrorKind::InvalidFilename.into()));
        };
        if let Some(directory) = target.parent() {
            fs::create_dir_all(directory).map_err(|e| WriteError::new(target, e))?;
        }
        // The name keeps its extension, from which the image encoder takes the format.
        let temp = format!(".tmp-{}-{}", process::id(), name.to_string_lossy());
        Ok(Self { target: target.to_owned(), temp: target.with_file_name(temp) })
    }

    /// The path to write to before [`commit`](Self::commit).
    pub(super) fn temp(&self) -> &Path {
        &self.temp
    }

    /// Writes `contents` to the temporary file.
    pub(super) fn fill(&self, contents: &str) -> Result<(), WriteError> {
        fs::write(&self.temp, contents).map_err(|e| WriteError::new(&self.target, e))
    }

    /// Puts the temporary file in the place of the target. Fails if nothing was written to it.
    pub(super) fn commit(self) -> Result<(), WriteError> {
        fs::rename(&self.temp, &self.target).map_err(|e| WriteError::new(&self.target, e))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After a commit there is nothing to remove, and a left-over file does no harm.
        fs::remove_file(&self.temp).ok();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An empty directory for the test called `name`, removed first if it was left over.
    pub(in crate::report) fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("kv-bench-report-{}-{name}", process::id()));
        fs::remove_dir_all(&path).ok();
        path
    }

    /// The names in a directory, sorted.
    pub(in crate::report) fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_commit_creates_the_directory_and_replaces_the_file() {
        let root = scratch("commit");
        let target = root.join("deep/er/file.txt");
        for contents in ["one", "two"] {
            let staged = Staged::beside(&target).unwrap();
            staged.fill(contents).unwrap();
            staged.commit().unwrap();
            assert_eq!(fs::read_to_string(&target).unwrap(), contents);
        }
        assert_eq!(names(&root.join("deep/er")), ["file.txt"]);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn without_a_commit_the_target_stays() {
        let root = scratch("abandon");
        let target = root.join("file.txt");
        fs::create_dir_all(&root).unwrap();
        fs::write(&target, "old").unwrap();
        Staged::beside(&target).unwrap().fill("new").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "old");
        assert_eq!(names(&root), ["file.txt"]);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn errors_name_the_target() {
        let root = scratch("errors");
        fs::create_dir_all(&root).unwrap();
        let blocked = root.join("blocked");
        fs::write(&blocked, "not a directory").unwrap();
        let target = blocked.join("file.txt");
        let error = Staged::beside(&target).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot write {}", target.display()));
        assert!(Staged::beside(Path::new("..")).is_err());
        fs::remove_dir_all(root).unwrap();
    }
}
