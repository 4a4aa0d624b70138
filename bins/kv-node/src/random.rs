//! Identities and seeds come from the system, here and nowhere else.

use rand::TryRng;
use rand::rngs::{SysError, SysRng};

pub fn draw() -> Result<u64, SysError> {
    SysRng.try_next_u64()
}
