/** Where a running node says how to speak with it: in its data directory, for this user alone, and gone when it stops. */

/** JSON: the URL, the process, and the name of the socket where there is one. */
export const API_FILE = 'api.json'
/** Who shows what is in it may ask: made anew with each start. */
export const TOKEN_FILE = 'api-token'
export const SOCKET_FILE = 'api.sock'

/** Of Linux 107, of macOS and the BSDs 103. */
const MAX_SOCKET_PATH_BYTES = 103

/** Whether a socket can be at `path`. */
export function fitsSocket(path: string, platform: NodeJS.Platform = process.platform): boolean {
  return platform !== 'win32' && Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES
}
