import PQueue from 'p-queue'
import { generateKeyPair } from '../../identity/index.ts'
import { messageOf } from '../errors.ts'
import { signerOf, type TransactionSigner } from '../transactions.ts'
import { BUFFER_HEADER_BYTES, decodeBuffer, hashOfElf, PROGRAM_BYTES, PROGRAM_DATA_HEADER_BYTES, UPGRADEABLE_LOADER } from './accounts.ts'
import type { Cluster } from './cluster.ts'
import { ProgramAccountError, ProgramDeployError } from './errors.ts'
import { createBuffer, deployBuffer, extendProgram, upgradeProgram, writeBuffer } from './instructions.ts'
import { type DeployedProgram, readProgram } from './programs.ts'

/** The largest transaction: one IPv6 packet of 1,280 bytes less its headers. */
const MAX_TRANSACTION_BYTES = 1232
/** Chunks that are under way at once: public endpoints refuse whoever asks much more. */
const WRITES_AT_ONCE = 8
/** How often the whole buffer is gone over again when some writes did not arrive. */
const PASSES = 5
/** Loaders refuse to extend a program by less (SIMD-0431), unless it reaches the largest size. */
const MIN_EXTENSION_BYTES = 10_240
const LAMPORTS_PER_SIGNATURE = 5000n
const SLOT_POLL_MS = 100
const SLOT_TIMEOUT_MS = 30_000

export interface DeployInit {
  cluster: Cluster
  /** Pays for everything. */
  payer: TransactionSigner
  /** Who may change the program afterwards; the payer unless given. */
  authority?: TransactionSigner
  /** The program's address; its signature is needed for the first time only. */
  program: { address: string; signer?: TransactionSigner | undefined }
  elf: Uint8Array
  /** The address of a buffer that an interrupted deployment left, to go on with. */
  buffer?: string | undefined
  /** Told once it stands on the cluster. */
  onBuffer?: (address: string) => void
  onProgress?: (writtenBytes: number, totalBytes: number) => void
  signal?: AbortSignal
}

export interface Deployed {
  programId: string
  dataAddress: string
  authority: string
  /** unchanged: it ran these bytes already, and nothing was sent. */
  outcome: 'deployed' | 'upgraded' | 'unchanged'
  /** Of the last transaction; undefined when nothing was sent. */
  signature: string | undefined
  /** The slot that it was deployed in; the program can be called from the next one on, which has begun. */
  slot: number | undefined
  /** sha2-256 in hex. */
  hash: string
  bytes: number
}

/**
 * Puts an ELF on a cluster with the upgradeable loader: a buffer is made, filled by as many transactions as it takes, read back, and
 * then deployed, or put in the place of what is there.
 *
 * @throws ProgramDeployError, which names the buffer once there is one; ProgramAccountError; K2UnreachableError
 */
export async function deployProgram(init: DeployInit): Promise<Deployed> {
  const { cluster, payer, program } = init
  const authority = init.authority ?? payer
  const { elf } = init
  if (elf[0] !== 0x7f || Buffer.from(elf.subarray(1, 4)).toString('latin1') !== 'ELF') {
    throw new ProgramDeployError('the file is not an ELF: give the .so of a program')
  }
  const existing = await readProgram(cluster, program.address)
  const done = (outcome: Deployed['outcome'], now: DeployedProgram, signature?: string): Deployed => ({
    programId: program.address,
    dataAddress: now.dataAddress,
    authority: now.authority ?? 'none',
    outcome,
    signature,
    slot: now.slot,
    hash: hashOfElf(elf),
    bytes: elf.length
  })
  if (existing !== undefined && hashOfElf(existing.elf) === hashOfElf(elf)) {
    return done('unchanged', existing)
  }
  checkChangeable(existing, init.program, authority.address)
  await checkMoney(init, elf, existing)

  const fresh = signerOf(generateKeyPair())
  const buffer = init.buffer ?? fresh.address
  if (init.buffer !== undefined) {
    await checkBuffer(cluster, buffer, authority.address, elf.length)
  }
  let signature: string
  let now: DeployedProgram | undefined
  try {
    if (init.buffer === undefined) {
      await makeBuffer(cluster, payer, fresh, authority.address, elf.length)
    }
    init.onBuffer?.(buffer)
    await fillBuffer({ ...init, authority, buffer, elf })
    init.signal?.throwIfAborted()
    if (existing === undefined) {
      const instructions = deployBuffer({
        payer: payer.address,
        program: program.address,
        buffer,
        authority: authority.address,
        lamports: await cluster.rentExemption(PROGRAM_BYTES),
        maxBytes: elf.length
      })
      ;({ signature } = await cluster.send(instructions, distinct([payer, program.signer!, authority])))
    } else {
      await makeRoom(cluster, payer, existing, elf.length)
      const instruction = upgradeProgram({ program: program.address, buffer, authority: authority.address, spill: payer.address })
      ;({ signature } = await cluster.send([instruction], distinct([payer, authority])))
    }
    now = await readProgram(cluster, program.address)
    if (now === undefined || hashOfElf(now.elf) !== hashOfElf(elf)) {
      throw new ProgramAccountError(`the transaction ${signature} is confirmed, and ${program.address} does not hold what was written`)
    }
  } catch (err) {
    // deploying empties the buffer, and it may never have been made
    // where the endpoint does not answer any more it is named: better one too many
    const gone = (await cluster.account(buffer).catch(() => undefined)) === null
    throw new ProgramDeployError(`${program.address} is not deployed: ${reasonOf(err)}`, { cause: err, buffer: gone ? undefined : buffer })
  }
  // a program can be called from the slot after the one that it was deployed in
  await slotAfter(cluster, now.slot ?? 0)
  return done(existing === undefined ? 'deployed' : 'upgraded', now, signature)
}

function checkChangeable(existing: DeployedProgram | undefined, program: DeployInit['program'], authority: string): void {
  if (existing === undefined) {
    if (program.signer === undefined) {
      throw new ProgramDeployError(
        `there is no program ${program.address} yet: to deploy it for the first time give its key with --program-keypair`
      )
    }
  } else if (existing.loader !== UPGRADEABLE_LOADER || existing.authority === null) {
    throw new ProgramDeployError(
      `the program ${program.address} can never be changed: it has no upgrade authority. Deploy to another address, with another --program-keypair`
    )
  } else if (existing.authority !== authority) {
    throw new ProgramDeployError(
      `the upgrade authority of ${program.address} is ${existing.authority}, and not ${authority}: give its key with --authority`
    )
  }
}

async function checkMoney(init: DeployInit, elf: Uint8Array, existing: DeployedProgram | undefined): Promise<void> {
  const { cluster, payer } = init
  const rent = async (bytes: number) => BigInt(await cluster.rentExemption(bytes))
  const fees = BigInt(Math.ceil(elf.length / 900) + 8) * 2n * LAMPORTS_PER_SIGNATURE
  const buffer = init.buffer === undefined ? await rent(BUFFER_HEADER_BYTES + elf.length) : 0n
  // the buffer's lamports come back before the program's data is made
  const data = existing === undefined ? (await rent(PROGRAM_DATA_HEADER_BYTES + elf.length)) + (await rent(PROGRAM_BYTES)) : 0n
  const needed = (buffer > data ? buffer : data) + (await rent(0)) + fees
  const has = await cluster.balance(payer.address)
  if (has < needed) {
    throw new ProgramDeployError(
      `${payer.address} has ${has} ROE and needs about ${needed} to deploy ${elf.length} bytes: fund it, or on a local K2 give --airdrop`
    )
  }
}

async function makeBuffer(
  cluster: Cluster,
  payer: TransactionSigner,
  buffer: TransactionSigner,
  authority: string,
  elfBytes: number
): Promise<void> {
  const lamports = await cluster.rentExemption(BUFFER_HEADER_BYTES + elfBytes)
  await cluster.send(createBuffer({ payer: payer.address, buffer: buffer.address, authority, lamports, elfBytes }), [payer, buffer])
}

async function checkBuffer(cluster: Cluster, address: string, authority: string, elfBytes: number): Promise<void> {
  const account = await cluster.account(address)
  if (account === null || account.owner !== UPGRADEABLE_LOADER) {
    throw new ProgramDeployError(`there is no buffer ${address}: leave --buffer out to make a new one`)
  }
  const buffer = decodeBuffer(address, account.data)
  if (buffer.authority !== authority) {
    throw new ProgramDeployError(`the buffer ${address} belongs to ${buffer.authority ?? 'nobody'}: give its key with --authority`)
  }
  if (buffer.elf.length < elfBytes) {
    throw new ProgramDeployError(
      `the buffer ${address} has room for ${buffer.elf.length} bytes and the program has ${elfBytes}: leave --buffer out to make a new one`
    )
  }
}

/** Writes what the buffer does not hold yet, and looks again until it holds all of it. */
async function fillBuffer(init: DeployInit & { authority: TransactionSigner; buffer: string; elf: Uint8Array }): Promise<void> {
  const { cluster, payer, authority, buffer, elf, signal } = init
  const chunkBytes = chunkBytesFor(payer.address === authority.address)
  let last: unknown
  for (let pass = 0; pass < PASSES; pass++) {
    const account = await cluster.account(buffer)
    if (account === null) {
      throw new ProgramAccountError(`the buffer ${buffer} is gone`)
    }
    const there = decodeBuffer(buffer, account.data).elf
    const offsets = Array.from({ length: Math.ceil(there.length / chunkBytes) }, (_, at) => at * chunkBytes)
    // a buffer that is longer than the program has to hold zeros behind it
    const wanted = Buffer.concat([elf, new Uint8Array(there.length - elf.length)])
    const chunkAt = (bytes: Uint8Array, offset: number) => bytes.subarray(offset, offset + chunkBytes)
    const missing = offsets.filter((offset) => Buffer.compare(chunkAt(wanted, offset), chunkAt(there, offset)) !== 0)
    let written = there.length - missing.reduce((sum, offset) => sum + chunkAt(wanted, offset).length, 0)
    init.onProgress?.(written, there.length)
    if (missing.length === 0) {
      return
    }
    const queue = new PQueue({ concurrency: WRITES_AT_ONCE })
    await Promise.all(
      missing.map((offset) =>
        queue.add(async () => {
          signal?.throwIfAborted()
          const bytes = chunkAt(wanted, offset)
          try {
            await cluster.send([writeBuffer({ buffer, authority: authority.address, offset, bytes })], distinct([payer, authority]))
            written += bytes.length
            init.onProgress?.(written, there.length)
          } catch (err) {
            // the next pass sees whether it arrived
            last = err
          }
        })
      )
    )
    signal?.throwIfAborted()
  }
  throw new ProgramDeployError(`after ${PASSES} passes some writes have not arrived${last === undefined ? '' : ` (${messageOf(last)})`}`)
}

/** How many bytes of ELF go into one transaction: its signatures, its message of three or four keys, and one instruction around them. */
function chunkBytesFor(payerIsAuthority: boolean): number {
  const [signatures, keys] = payerIsAuthority ? [1, 3] : [2, 4]
  const instruction = 1 + 1 + 2 + 2 + 16
  return MAX_TRANSACTION_BYTES - (1 + 64 * signatures + 3 + 1 + 32 * keys + 32 + 1 + instruction)
}

async function makeRoom(cluster: Cluster, payer: TransactionSigner, existing: DeployedProgram, elfBytes: number): Promise<void> {
  const lacking = elfBytes - existing.elf.length
  if (lacking > 0) {
    const additionalBytes = Math.max(lacking, MIN_EXTENSION_BYTES)
    await cluster.send([extendProgram({ program: existing.programId, payer: payer.address, additionalBytes })], [payer])
    // the loader changes a program once in a slot
    await slotAfter(cluster, (await readProgram(cluster, existing.programId))?.slot ?? 0)
  }
}

async function slotAfter(cluster: Cluster, slot: number): Promise<void> {
  const deadlineMs = performance.now() + SLOT_TIMEOUT_MS
  while ((await cluster.slot()) <= slot) {
    if (performance.now() > deadlineMs) {
      throw new ProgramDeployError(
        `K2 at ${cluster.url} has not gone past slot ${slot} for ${SLOT_TIMEOUT_MS / 1000} s: its slots stand still`
      )
    }
    await new Promise((resolve) => setTimeout(resolve, SLOT_POLL_MS))
  }
}

function distinct(signers: TransactionSigner[]): TransactionSigner[] {
  return [...new Map(signers.map((signer) => [signer.address, signer])).values()]
}

function reasonOf(err: unknown): string {
  return err instanceof Error && err.name === 'AbortError' ? 'it was interrupted' : messageOf(err)
}
