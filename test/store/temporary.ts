import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore, type Store } from '../../src/store/index.ts'

/**
 * A store in a folder of its own, for each test of the suite that calls it.
 *
 * @param onOpen given it each time that it is opened
 * @returns opens it anew, as a process that starts again does
 */
export function storeForEach(onOpen: (store: Store, dir: string) => void): { reopen(): void } {
  let dir: string
  let store: Store
  const open = () => {
    store = openStore({ dir })
    onOpen(store, dir)
  }
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'koii-mesh-store-'))
    open()
  })
  afterEach(async () => {
    store.close()
    await rm(dir, { recursive: true })
  })
  return {
    reopen() {
      store.close()
      open()
    }
  }
}
