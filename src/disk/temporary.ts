import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folders = new Set<string>()

/**
 * A folder of this process alone among the temporary files. It goes with `remove`, and at the end of the process where nobody
 * waits for that: a second Ctrl+C, or a parent that was killed.
 */
export async function temporaryFolder(prefix: string): Promise<{ dir: string; remove(): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), prefix))
  if (folders.size === 0) {
    process.once('exit', removeAll)
  }
  folders.add(dir)
  return {
    dir,
    async remove() {
      await rm(dir, { recursive: true, force: true })
      folders.delete(dir)
      if (folders.size === 0) {
        process.off('exit', removeAll)
      }
    }
  }
}

function removeAll(): void {
  for (const dir of folders) {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}
