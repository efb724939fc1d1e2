import { setFlagsFromString } from 'node:v8'

/**
 * Buffers outside of V8's heap start its collector whenever 64 MiB more of them have come, however small its heap is: a proof of 60 MiB
 * passes a node as three times as many bytes of short-lived buffers, and collecting took more of the machine than sealing, hashing and
 * storing together. With this they count as part of the whole, and a proof costs a fourth of the collections, with the same memory at
 * the most (docs/decisions/0039). Set before anything else runs; a version of V8 without it says so on standard error, and is as it was.
 */
setFlagsFromString('--external-memory-accounted-in-global-limit')

/**
 * A node makes much that is thrown away at once, in little helpings: a young generation of 1 MiB, where V8 lets it grow to 16 and keeps
 * what it has grown to, costs it no more of the processor and a fourth less of memory (docs/decisions/0045).
 */
if (process.argv[2] === 'start') {
  setFlagsFromString('--semi-space-growth-factor=1')
}
