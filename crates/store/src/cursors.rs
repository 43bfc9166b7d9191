//! Signatures of the places that callers are handed to go on from, so that nobody makes one up or takes another tenant's.

use crate::TenantStore;

impl TenantStore {
    /// Signs a place in the listing of that name, for this tenant only.
    pub fn cursor_mac(&self, listing: &str, place: &[u8]) -> [u8; 32] {
        self.keys().cursor_mac(self.id(), listing, place)
    }

    /// Whether we signed that place in that listing for this tenant; compared in constant time.
    pub fn is_cursor_mac(&self, listing: &str, place: &[u8], mac: &[u8]) -> bool {
        self.keys().is_cursor_mac(self.id(), listing, place, mac)
    }
}
