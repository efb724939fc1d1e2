/** The data directory is in use, damaged, or of another node: the message says which, and what to do. */
export class StoreError extends Error {
  override name = 'StoreError'
}
