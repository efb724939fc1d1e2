import { LevelDatastore } from 'datastore-level'
import { StoreError } from './errors.ts'

/**
 * libp2p's own durable store: known peers and DHT records. What is lost here is found again on the network.
 *
 * @throws StoreError
 */
export async function openDatastore(dir: string): Promise<LevelDatastore> {
  const datastore = new LevelDatastore(dir)
  try {
    await datastore.open()
  } catch (err) {
    const reason = err instanceof Error ? err.message : String(err)
    throw new StoreError(`cannot open ${dir} (${reason}): it holds nothing but known peers, so move it away and start again`)
  }
  return datastore
}
