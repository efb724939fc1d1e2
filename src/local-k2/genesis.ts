import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type KeyPair, keyPairFromSeed } from '../identity/index.ts'
import { STAKE_CONFIG } from './base-accounts.ts'
import { decodeBase58, encodeBase58 } from './base58.ts'
import type { AccountChange, Block } from './block.ts'
import { toOpenError } from './chain-file.ts'
import { DataDirCorruptError, GenesisError } from './errors.ts'
import type { GenesisAccount } from './genesis-account.ts'
import { asDeployedAtFirst } from './genesis-program.ts'
import type { History } from './history.ts'
import { type AccountState, RENT_EXEMPT_EPOCH, SYSTEM_PROGRAM, UPGRADEABLE_LOADER, type Vm } from './vm.ts'

/** What the faucet begins with: 5 million KOII, below 2^53 lamports so that clients that read JSON numbers see it exactly. */
export const FAUCET_LAMPORTS = 5_000_000_000_000_000n

/** Accounts of these are the VM's own. */
const OWN_OWNERS = new Set(['Sysvar1111111111111111111111111111111111111', 'NativeLoader1111111111111111111111111111111'])

/** A program that is there from the start; one of `elfPath` and `bytes` gives its ELF. */
export interface GenesisProgram {
  /** base58 */
  programId: string
  elfPath?: string
  bytes?: Uint8Array
}

/** What a new chain begins with. A chain that exists keeps what it has; programs given again must be the same. */
export interface Genesis {
  programs?: GenesisProgram[]
  /** Addresses in base58 with what they begin with. */
  funded?: Array<{ address: string; lamports: bigint }>
  /** Whole accounts, for a new chain alone. */
  accounts?: readonly GenesisAccount[]
}

/** What never changes about a chain. */
export interface ChainFacts {
  genesisHash: string
  /** The validator's address in base58. */
  identity: string
  /** Pays the airdrops. */
  faucet: KeyPair
}

/**
 * Reads the chain in `history` into `vm`, or begins a new one.
 *
 * @throws GenesisError when a program or address is wrong, or a program is not the one that the chain began with
 * @throws DataDirCorruptError when the chain cannot be read
 */
export function openChain(init: {
  history: History
  vm: Vm
  genesis: Genesis
  /** Where the chain is kept, for errors. */
  place: string
  random: (length: number) => Uint8Array
  nowMs: number
}): ChainFacts {
  const programs = (init.genesis.programs ?? []).map(readProgram)
  const { history, vm, place } = init
  if (history.lastBlocks(1).length === 0) {
    return begin(init, programs)
  }
  const [faucetSeed, identity, genesisHash, digests] = ['faucetSeed', 'identity', 'genesisHash', 'programs'].map((name) =>
    history.fact(name)
  )
  if (faucetSeed === undefined || identity === undefined || genesisHash === undefined || digests === undefined) {
    throw new DataDirCorruptError(place, 'it has blocks but no genesis')
  }
  if ((init.genesis.accounts ?? []).length > 0) {
    throw new GenesisError(
      `the chain in ${place} exists already, and accounts and programs are given to a new one alone: ` +
        'leave them out, or begin a new chain (--reset, or another --data-dir)'
    )
  }
  const known = JSON.parse(digests) as Record<string, string>
  for (const { programId, elf } of programs) {
    if (known[programId] !== digest(elf)) {
      const what = known[programId] === undefined ? 'has no program' : 'began with another build of the program'
      throw new GenesisError(`the chain in ${place} ${what} ${programId}: begin a new chain (another --data-dir), or deploy to this one`)
    }
  }
  try {
    for (const { key, state } of history.accounts()) {
      vm.setAccount(key, state)
    }
  } catch (err) {
    const opened = toOpenError(err as Error, place)
    throw opened instanceof DataDirCorruptError ? opened : new DataDirCorruptError(place, (err as Error).message, { cause: err })
  }
  return { genesisHash, identity, faucet: keyPairFromSeed(Buffer.from(faucetSeed, 'hex')) }
}

interface LoadedProgram {
  programId: string
  elf: Uint8Array
}

function begin(init: Parameters<typeof openChain>[0], programs: LoadedProgram[]): ChainFacts {
  const { history, vm, random, nowMs } = init
  const [faucetSeed, identitySeed] = [random(32), random(32)]
  const [faucet, identity] = [keyPairFromSeed(faucetSeed), keyPairFromSeed(identitySeed).address]
  const blockTimeS = Math.floor(nowMs / 1000)
  vm.setClock({ slot: 0, epochStartS: blockTimeS, unixTimeS: blockTimeS })
  const accounts: AccountChange[] = programs.flatMap((program) => deploy(vm, program))
  accounts.push(...placeAccounts(vm, init.genesis.accounts ?? [], programs))
  const funded = [
    ...(init.genesis.funded ?? []),
    { address: faucet.address, lamports: FAUCET_LAMPORTS },
    { address: identity, lamports: 1_000_000_000n }
  ]
  for (const { address, lamports } of funded) {
    const key = readAddress(address)
    const state = { lamports, owner: decodeBase58(SYSTEM_PROGRAM), data: new Uint8Array(), executable: false, rentEpoch: RENT_EXEMPT_EPOCH }
    vm.setAccount(key, state)
    accounts.push({ key, state })
  }
  const supply = accounts.reduce((sum, { state }) => sum + state!.lamports, 0n)
  if (supply >= 2n ** 64n) {
    throw new GenesisError(`the accounts of the genesis have ${supply} lamports together, and a chain has less than 2^64: give them less`)
  }
  const digests = JSON.stringify(Object.fromEntries(programs.map(({ programId, elf }) => [programId, digest(elf)])))
  const genesisHash = encodeBase58(
    createHash('sha256')
      .update(JSON.stringify(['koii-mesh local K2', identity, faucet.address, nowMs, digests]))
      .digest()
  )
  const block: Block = {
    slot: 0,
    height: 0,
    parentSlot: 0,
    blockhash: genesisHash,
    previousBlockhash: SYSTEM_PROGRAM,
    blockTimeS,
    transactions: 0,
    totalTransactions: 0,
    supply
  }
  const facts = {
    genesisHash,
    identity,
    faucetSeed: Buffer.from(faucetSeed).toString('hex'),
    programs: digests,
    epochStart: `${blockTimeS}`
  }
  history.commit(block, [], accounts, facts)
  return { genesisHash, identity, faucet }
}

/** Puts whole accounts in their places. @throws GenesisError for one that is given twice, or that the VM refuses */
function placeAccounts(vm: Vm, accounts: readonly GenesisAccount[], programs: readonly LoadedProgram[]): AccountChange[] {
  const taken = new Map(programs.map(({ programId }) => [programId, 'the chain itself']))
  // a validator writes this one itself, whatever it is given
  const own = accounts.filter(({ address }) => address !== STAKE_CONFIG)
  // what programs are made of must be there before they are
  const [ofPrograms, others] = [own.filter(({ state }) => state.executable), own.filter(({ state }) => !state.executable)]
  return [...others, ...ofPrograms].map(({ address, state: given, from }) => {
    const key = readAddress(address)
    const before = taken.get(address)
    if (before !== undefined) {
      throw new GenesisError(`the account ${address} is given twice, by ${before} and by ${from}: leave one out`)
    }
    taken.set(address, from)
    const owner = vm.account(key)?.owner
    if (owner !== undefined && OWN_OWNERS.has(encodeBase58(owner))) {
      throw new GenesisError(`the account ${address} of ${from} is the chain's own, a sysvar or a program of the VM: leave it out`)
    }
    const state = asDeployedAtFirst(given)
    try {
      vm.setAccount(key, state)
    } catch (err) {
      const what = state.executable ? 'is executable, and its program is not one that runs here' : 'is refused'
      throw new GenesisError(`the account ${address} of ${from} ${what}: ${(err as Error).message}`, { cause: err })
    }
    return { key, state }
  })
}

function deploy(vm: Vm, { programId, elf }: LoadedProgram): AccountChange[] {
  const key = readAddress(programId)
  try {
    vm.deploy(key, elf)
  } catch (err) {
    throw new GenesisError(`the VM refuses the program ${programId}: ${(err as Error).message}. It has to be built for Solana’s VM (SBF)`, {
      cause: err
    })
  }
  const program = vm.account(key) as AccountState
  const changes: AccountChange[] = [{ key, state: program }]
  if (encodeBase58(program.owner) === UPGRADEABLE_LOADER) {
    // the program's account says where its code is: 4 bytes of tag, then the address
    const dataKey = program.data.slice(4, 36)
    changes.push({ key: dataKey, state: vm.account(dataKey) })
  }
  return changes
}

function readProgram({ programId, elfPath, bytes }: GenesisProgram): LoadedProgram {
  if (bytes !== undefined) {
    return { programId, elf: bytes }
  }
  if (elfPath === undefined) {
    throw new GenesisError(`the genesis program ${programId} has neither elfPath nor bytes: give one of them`)
  }
  try {
    return { programId, elf: readFileSync(elfPath) }
  } catch (err) {
    throw new GenesisError(
      `cannot read the program ${elfPath} (${(err as Error).message}): check its path; the settlement program comes with koii-mesh, so install that again if it is the one that is missing`,
      {
        cause: err
      }
    )
  }
}

function readAddress(text: string): Uint8Array {
  let key: Uint8Array | undefined
  try {
    key = decodeBase58(text)
  } catch {
    // told below with the wrong length
  }
  if (key?.length !== 32) {
    throw new GenesisError(`${text} in the genesis is not an address: it should be 32 bytes in base58`)
  }
  return key
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
