/** The data directory is in use, cannot be written to, is damaged, or of another node: the message says which, and what to do. */
export class StoreError extends Error {
  override name = 'StoreError'
}

/** Another running node has the data directory. */
export class DataDirInUseError extends StoreError {
  override name = 'DataDirInUseError'
}
