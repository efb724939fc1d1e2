import { setFlagsFromString } from 'node:v8'

/**
 * Buffers outside of V8's heap start its collector whenever 64 MiB more of them have come, however small its heap is: a proof of 60 MiB
 * passes a node as three times as many bytes of short-lived buffers, and collecting took more of the machine than sealing, hashing and
 * storing together. With this they count as part of the whole, and a proof costs a fourth of the collections, with the same memory at
 * the most (docs/decisions/0039). Set before anything else runs; a version of V8 without it says so on standard error, and is as it was.
 */
setFlagsFromString('--external-memory-accounted-in-global-limit')
