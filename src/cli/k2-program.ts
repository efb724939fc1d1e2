/** The settlement program on a cluster: `koii-mesh k2 deploy` and `koii-mesh k2 verify`. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import { commandLine } from '../command/index.ts'
import { roeToKoii } from '../config/koii.ts'
import { readSmallFile } from '../disk/index.ts'
import { generateKeyPair, readKeyFile, writeKeyFile } from '../identity/index.ts'
import { PROGRAM_ID } from '../k2/settlement/program-id.ts'
import { complain, isLive, rawStream, showsUtf8 } from '../observe/output.ts'
import { counted } from '../observe/words.ts'
import { addressOf, answer, DEFAULT_K2, DEFAULT_WALLET, example, SETTLEMENT_SO, UsageError, withJson } from './common.ts'

// `koii-mesh k2` itself needs none of these, and is to start quickly
const loader = () => import('../k2/loader/index.ts')
const signerFrom = async (path: string) => (await import('../k2/index.ts')).signerOf(await readKeyFile(path))

/** What the faucet of a local K2 is asked for: the rent of some hundred KiB. */
const AIRDROP_ROE = 10_000_000_000n

interface DeployOptions {
  k2: string
  keypair: string
  programKeypair: string
  program?: string
  authority?: string
  so?: string
  buffer?: string
  airdrop?: boolean
  json?: boolean
}

export function deployCommand(): Command {
  return withJson(new Command('deploy'))
    .description('deploy the settlement program to a cluster with the upgradeable loader, or upgrade it')
    .option('--k2 <url>', 'JSON-RPC endpoint', DEFAULT_K2)
    .option('--keypair <file>', 'who pays', DEFAULT_WALLET)
    .option('--program-keypair <file>', "key of the program's address; made where there is no such file", 'settlement-program.json')
    .option('--program <address>', 'instead of --program-keypair, for an upgrade: its address is enough')
    .option('--authority <file>', 'who may upgrade the program; without it whoever pays')
    .option('--so <file>', 'another build than the one that comes with koii-mesh')
    .option('--buffer <address>', 'go on with what an interrupted deployment wrote')
    .option('--airdrop', 'take the money from the faucet of a local K2')
    .addHelpText(
      'after',
      example(
        'koii-mesh k2 deploy --k2 http://127.0.0.1:8899 --keypair ./wallet.json --airdrop',
        'koii-mesh k2 deploy --k2 URL --keypair ./wallet.json --program-keypair ./program.json --buffer ADDRESS'
      )
    )
    .action(async (options: DeployOptions, command: Command) => {
      const { createCluster, deployProgram } = await loader()
      const elf = await readProgramFile(options.so)
      const payer = await signerFrom(options.keypair)
      const authority = options.authority == null ? payer : await signerFrom(options.authority)
      const program = await programOf(options, command.getOptionValueSource('programKeypair') !== 'default')
      const buffer = options.buffer == null ? undefined : addressOf(options.buffer, '--buffer')
      const cluster = createCluster(options.k2)
      const stop = new AbortController()
      const interrupt = () => stop.abort()
      process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
      const bar = await barFor(options.json !== true && isLive(process.stderr))
      try {
        if (options.airdrop === true) {
          await cluster.airdrop(payer.address, AIRDROP_ROE)
        }
        const before = await cluster.balance(payer.address)
        const done = await deployProgram({
          cluster,
          payer,
          authority,
          program,
          elf,
          buffer,
          signal: stop.signal,
          // told at once: whatever ends this process, even kill -9, its user can go on
          onBuffer: (address) => {
            if (options.json === true) {
              answer(true, { event: 'buffer', buffer: address }, [])
            } else {
              complain(`buffer ${address} (if this is interrupted, go on with: ${again(options, address)})`)
            }
          },
          onProgress: bar.show
        })
        const paid = before - (await cluster.balance(payer.address))
        bar.stop()
        const { programId, dataAddress, outcome, slot, hash, bytes } = done
        answer(options.json, { event: outcome, k2: options.k2, ...done, paid }, [
          `program   ${programId}`,
          outcome === 'unchanged'
            ? 'unchanged: the cluster runs these bytes already'
            : `${outcome.padEnd(9)} in slot ${slot}, ${counted(bytes, 'byte')}, for ${roeToKoii(paid)} KOII`,
          `data      ${dataAddress}`,
          `authority ${done.authority}`,
          `sha2-256  ${hash}`
        ])
      } finally {
        bar.stop()
        cluster.close()
        process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
      }
    })
}

/** The same deployment, from what was written so far. */
function again({ k2, keypair, programKeypair, program, authority, so }: DeployOptions, buffer: string): string {
  return commandLine(['k2', 'deploy'], { k2, keypair, ...(program == null ? { programKeypair } : { program }), authority, so, buffer })
}

interface VerifyOptions {
  k2: string
  program: string
  so?: string
  json?: boolean
}

export function verifyCommand(): Command {
  return withJson(new Command('verify'))
    .description('compare what a cluster runs with the settlement program that comes with koii-mesh: exit status 0 equal, 1 not')
    .option('--k2 <url>', 'JSON-RPC endpoint', DEFAULT_K2)
    .option('--program <address>', 'the settlement program', PROGRAM_ID)
    .option('--so <file>', 'another build to compare with')
    .addHelpText('after', example('koii-mesh k2 verify --k2 http://127.0.0.1:8899'))
    .action(async (options: VerifyOptions) => {
      const { compareElf, createCluster, ProgramAccountError, readProgram } = await loader()
      const elf = await readProgramFile(options.so)
      const cluster = createCluster(options.k2)
      try {
        const program = await readProgram(cluster, addressOf(options.program, '--program'))
        if (program === undefined) {
          throw new ProgramAccountError(
            `there is no program ${options.program} on K2 at ${options.k2}: check --program and --k2, or deploy it with: ${commandLine(['k2', 'deploy'], { k2: options.k2 })}`
          )
        }
        const { equal, deployedHash, expectedHash } = compareElf(program, elf)
        const { programId, loader, dataAddress, authority, slot } = program
        answer(options.json, { equal, programId, deployedHash, expectedHash, authority, loader, dataAddress, slot }, [
          `program   ${programId}`,
          equal ? 'equal     the cluster runs what the file holds' : 'DIFFERENT the cluster runs other code than the file holds',
          `cluster   sha2-256 ${deployedHash}`,
          `file      sha2-256 ${expectedHash}`,
          authority === null ? 'authority none: nobody can change it' : `authority ${authority}: it can change the program`,
          `loader    ${loader}${slot === undefined ? '' : `, deployed in slot ${slot}`}`
        ])
        process.exitCode = equal ? 0 : 1
      } finally {
        cluster.close()
      }
    })
}

async function readProgramFile(path: string | undefined): Promise<Uint8Array> {
  try {
    // more than any account holds
    return path == null ? await readFile(SETTLEMENT_SO) : readSmallFile(path, 16 * 1024 * 1024)
  } catch (err) {
    throw new UsageError(`cannot read the program ${path ?? 'of this package'} (${(err as Error).message}): check --so`)
  }
}

async function programOf({ program, programKeypair }: DeployOptions, keyGiven: boolean) {
  if (program != null) {
    if (keyGiven) {
      throw new UsageError('--program and --program-keypair both name the program: give one of them')
    }
    return { address: addressOf(program, '--program') }
  }
  if (!existsSync(programKeypair)) {
    await writeKeyFile(programKeypair, generateKeyPair())
  }
  const signer = await signerFrom(programKeypair)
  return { address: signer.address, signer }
}

async function barFor(isTerminal: boolean): Promise<{ show: (written: number, total: number) => void; stop: () => void }> {
  if (!isTerminal) {
    return { show: () => {}, stop: () => {} }
  }
  const { default: cliProgress } = await import('cli-progress')
  const bar = new cliProgress.SingleBar(
    { format: 'writing   {bar} {value} of {total} bytes', stream: rawStream(process.stderr), hideCursor: true },
    showsUtf8() ? cliProgress.Presets.shades_classic : cliProgress.Presets.legacy
  )
  let complete = false
  return {
    show: (written, total) => {
      if (!complete) {
        bar.isActive ? bar.update(written) : bar.start(total, written)
      }
      // a full buffer is looked at once more, and told once more
      if (written === total) {
        complete = true
        bar.stop()
      }
    },
    stop: () => bar.stop()
  }
}
