/**
 * # disk
 *
 * What the machine's disk says, in words; files and folders that people name; and whether writing works, told once and tried again.
 *
 * @example
 * ```ts
 * const watch = createDiskWatch({ dir, onChange: (trouble) => events.emit(...) })
 * try {
 *   write()
 * } catch (err) {
 *   watch.failed(err)   // full, read-only, failing: tried again with pauses until it works
 *   throw err
 * }
 * ```
 */
export { type DiskFault, type DiskFaultKind, diskAdvice, diskFault, freeBytes } from './faults.ts'
export { demandFile, forgetPid, holderAt, leavePid, makeFolder, readSmallFile, UnreadableFileError } from './files.ts'
export { temporaryFolder } from './temporary.ts'
export { createDiskWatch, type DiskTrouble, type DiskWatch } from './watch.ts'
