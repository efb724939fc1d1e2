export const SLOT_MS = 400
/** The road of a fetch: there and back. */
export const FETCH_SLOTS = 0.4
