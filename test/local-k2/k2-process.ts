// a local K2 in a process of its own, for tests that kill it; prints its URL once it is up
import { createLocalK2 } from '../../src/local-k2/index.ts'

const k2 = await createLocalK2({ port: 0, slotMs: 20, dataDir: process.argv[2]! })
await k2.start()
process.stdout.write(`${k2.url}\n`)
