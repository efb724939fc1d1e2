import type { CID } from 'multiformats/cid'
import type { Blocks } from './blocks.ts'
import { type PackedFile, packFiles } from './pack.ts'

/** The CID that `packFiles` would give, with nothing kept. @throws PackError */
export async function cidOfFiles(files: AsyncIterable<PackedFile> | Iterable<PackedFile>): Promise<CID> {
  const nowhere = { open: () => ({ put: async () => {}, close: () => {} }) }
  return (await packFiles(nowhere as unknown as Blocks, files)).cid
}
