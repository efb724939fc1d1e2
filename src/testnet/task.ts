/** The testnet's task: its bundle with the params, and its account on K2. */
import { join } from 'node:path'
import { CID } from 'multiformats/cid'
import type { Timing } from '../clock/index.ts'
import { type Params, paramsOf, ROE_PER_KOII } from '../config/index.ts'
import { generateKeyPair } from '../identity/index.ts'
import { signerOf } from '../k2/index.ts'
import { createTask, createTaskAccount, fundTask, SLASH_UNITS, TASK_BYTES } from '../k2/settlement/index.ts'
import { BUNDLE_FILE, bundleAt, createAuditor, describeBundle, providerAt } from '../node/index.ts'
import { builtInBundles, bundlePath, type TaskManifest } from '../tasks/index.ts'
import type { Chain } from './chain.ts'
import { TestnetError } from './errors.ts'
import { FUND_ROE } from './money.ts'
import { paramsBeside, whatItGets } from './params.ts'
import { startStaticSite } from './static-site.ts'

/** Which bundle is run, and with what. */
export interface TaskInit {
  /** A built-in task, the path of a bundle, or a bundle's CID. */
  task: string
  /** Peers that have the bundle, for a CID: multiaddrs with their PeerIds. */
  from?: string[] | undefined
  /** Without them, a bundle fetched by its CID has its own, and another none. */
  params?: Params | null | undefined
  /** The flag by which it could have been given some. */
  paramsFlag?: string
}

export interface ChosenTask {
  path: string
  params: Params | null
  /** CID of bundle and params. */
  bundle: string
  manifest: TaskManifest
  /** What it is given beside its code, in words. */
  gets: string[]
}

/**
 * @param folder for what is fetched
 * @param cleanup gets what is to be undone at the end: a site to archive is served where the task has none
 * @throws TestnetError when the bundle is nowhere
 */
export async function chooseTask(init: TaskInit, folder: string, cleanup: Array<() => Promise<unknown>>): Promise<ChosenTask> {
  const { path, params: fetched } = await bundleOf(init, folder)
  const given = init.params ?? fetched
  const { cid, manifest } = await describeBundle(path, given)
  const site = manifest.name === 'site-archive' && given == null ? await startStaticSite({ seed: 'koii-mesh testnet' }) : null
  if (site != null) {
    cleanup.push(() => site.stop())
  }
  const params = site == null ? given : paramsOf({ urls: site.urls })
  const bundle = site == null ? cid : (await describeBundle(path, params)).cid
  const gets = whatItGets(params, manifest, init.paramsFlag)
  return { path, params, bundle, manifest, gets }
}

export interface TaskTerms {
  timing: Timing
  /** What a cycle pays, in ROE. */
  bounty: bigint
}

/** Creates the task's account and fills its pot. @returns its address */
export async function createOnK2(
  { client, wallet }: Chain,
  { manifest, bundle }: ChosenTask,
  { timing, bounty }: TaskTerms
): Promise<string> {
  const task = generateKeyPair()
  await client.send(
    [
      createTaskAccount({ payer: wallet.address, task: task.address, lamports: await client.rentExemption(TASK_BYTES) }),
      createTask({
        task: task.address,
        manager: wallet.address,
        name: manifest.name,
        ...timing,
        bountyPerRound: bounty,
        minStake: ROE_PER_KOII,
        // slashes are applied once, at the end, and nobody's stake is at anybody's mercy
        largestSlash: SLASH_UNITS,
        bundleNotice: 1,
        bundle
      }),
      fundTask({ task: task.address, payer: wallet.address, amount: FUND_ROE })
    ],
    [signerOf(wallet), signerOf(task)]
  )
  return task.address
}

/** The file of the task's bundle; one that is named by its CID is fetched from who has it, and checked block by block. */
async function bundleOf({ task, from = [] }: TaskInit, folder: string): Promise<{ path: string; params: Params | null }> {
  if (!isCid(task)) {
    return { path: bundleAt(task), params: null }
  }
  for (const name of builtInBundles) {
    if ((await describeBundle(bundlePath(name))).cid === task) {
      return { path: bundlePath(name), params: null }
    }
  }
  if (from.length === 0) {
    throw new TestnetError(`${task} is not the CID of a built-in task: name a peer that has the bundle with --from, or give its path`)
  }
  const auditor = await createAuditor()
  try {
    await auditor.proofs.fetchTo(task, folder, { from: from.map(providerAt) })
    return { path: join(folder, BUNDLE_FILE), params: paramsBeside(folder) }
  } finally {
    await auditor.stop()
  }
}

function isCid(text: string): boolean {
  try {
    CID.parse(text)
    return true
  } catch {
    return false
  }
}
