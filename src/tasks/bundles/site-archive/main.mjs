/**
 * site-archive: a list of web pages, kept as files with a manifest.
 *
 * Parameters: `{ urls: string[], maxPageBytes?: number, pageTimeoutMs?: number, sampledPages?: number }`.
 *
 * The proof is a UnixFS directory: `manifest.json` and one file for each page.
 *
 *   manifest.json  { version, staker, taskId, cycle, urls, pages: [
 *                    { url, status, contentType, sha256, size, path, truncated, dynamic } ] }
 *
 * A page that answers twice with different content is dynamic: nobody can have the same, so only its status and type are
 * compared. What HTTP answers is archived whatever its status; a page that does not answer at all ends the cycle's work.
 *
 * @typedef {import('../../api.ts').TaskContext} Context
 * @typedef {import('../../api.ts').AuditedSubmission} Submission
 * @typedef {{ status: number, contentType: string, sha256: string, truncated: boolean, content: Uint8Array }} Fetched
 * @typedef {{ url: string, status: number, contentType: string, sha256: string, size: number, path: string, truncated: boolean, dynamic: boolean }} Page
 */
import { createHash } from 'node:crypto'

export const manifest = {
  name: 'site-archive',
  version: '1.0.0',
  description: 'Archives a list of web pages with their status, type and hash',
  network: true,
  memoryMb: 192,
  minProofs: 1
}

const VERSION = 1
const MAX_URLS = 256
const DEFAULT_PAGE_BYTES = 1024 * 1024
/** All pages together: what one `putFiles` takes, less the manifest. */
const MAX_ARCHIVE_BYTES = 15 * 1024 * 1024
const MAX_MANIFEST_BYTES = 1024 * 1024
const DEFAULT_PAGE_TIMEOUT_MS = 10_000
const MAX_REDIRECTS = 5
const FETCH_ATTEMPTS = 3
const PARALLEL_FETCHES = 4
const DEFAULT_SAMPLED_PAGES = 3
const READ_BYTES = 1024 * 1024
/** Results kept for `submission`, which comes in the next round. */
const KEPT_CYCLES = 4

/** @param {Context} ctx @param {number} cycle */
export async function task(ctx, cycle) {
  const { urls } = parametersOf(ctx)
  const pages = await parallel(urls, async (url, i) => {
    const first = await fetchPage(ctx, url)
    const second = await fetchPage(ctx, url)
    /** @type {Page} */
    const page = {
      url,
      status: first.status,
      contentType: first.contentType,
      sha256: first.sha256,
      size: first.content.length,
      path: `pages/${String(i).padStart(4, '0')}`,
      truncated: first.truncated,
      dynamic: first.sha256 !== second.sha256
    }
    return { page, content: first.content }
  })
  const bytes = pages.reduce((sum, { content }) => sum + content.length, 0)
  if (bytes > MAX_ARCHIVE_BYTES) {
    throw new Error(`the pages have ${bytes} bytes; at most ${MAX_ARCHIVE_BYTES}. Lower maxPageBytes or archive fewer`)
  }
  const list = { version: VERSION, staker: ctx.staker, taskId: ctx.taskId, cycle, urls, pages: pages.map(({ page }) => page) }
  const cid = await ctx.proofs.putFiles([
    { path: 'manifest.json', content: JSON.stringify(list, null, 2) },
    ...pages.map(({ page, content }) => ({ path: page.path, content }))
  ])
  await ctx.kv.put(`result/${cycle}`, JSON.stringify({ cid, pages: pages.length, bytes, urls: digest(JSON.stringify(urls)) }))
  await ctx.kv.delete(`result/${cycle - KEPT_CYCLES}`)
}

/** @param {Context} ctx @param {number} cycle */
export async function submission(ctx, cycle) {
  const stored = await ctx.kv.get(`result/${cycle}`)
  return stored == null ? null : { value: stored, proofs: [JSON.parse(stored).cid] }
}

/**
 * A proof at fault is invalid; a page that this auditor cannot fetch throws, and the auditor abstains.
 *
 * @param {Context} ctx @param {Submission} submitted @param {number} cycle
 */
export async function audit(ctx, submitted, cycle) {
  try {
    await check(ctx, submitted, cycle)
    return { valid: true }
  } catch (error) {
    const { name, message } = /** @type {Error} */ (error)
    if (name === 'InvalidError' || name === 'BadProofError') {
      return { valid: false, reason: message }
    }
    throw error
  }
}

class InvalidError extends Error {
  name = 'InvalidError'
}

/** @param {boolean} holds @param {string} otherwise */
function demand(holds, otherwise) {
  if (!holds) {
    throw new InvalidError(otherwise)
  }
}

/** @param {Context} ctx @param {Submission} submitted @param {number} cycle */
async function check(ctx, submitted, cycle) {
  const { urls, maxPageBytes, sampledPages } = parametersOf(ctx)
  const claim = parse(submitted.value, 'the value')
  demand(typeof claim.cid === 'string', 'the value names no proof')
  demand(submitted.proofs.length === 1 && submitted.proofs[0] === claim.cid, 'the value names another proof than the submission')
  demand(claim.urls === digest(JSON.stringify(urls)), 'the submission is about another list of URLs')

  const files = await ctx.proofs.list(claim.cid)
  const sizes = new Map(files.map(({ path, size }) => [path, size]))
  demand((sizes.get('manifest.json') ?? Infinity) <= MAX_MANIFEST_BYTES, 'the archive has no manifest.json, or one too large')
  const text = Buffer.from(await ctx.proofs.readFile(claim.cid, 'manifest.json', { offset: 0, length: MAX_MANIFEST_BYTES })).toString()
  const list = parse(text, 'manifest.json')
  demand(list.version === VERSION && Array.isArray(list.pages), 'manifest.json is none of this version')
  demand(list.staker === submitted.staker, `the archive was made by ${list.staker}, not by the submitter`)
  demand(list.taskId === ctx.taskId && list.cycle === cycle, `the archive is of cycle ${list.cycle} of task ${list.taskId}`)
  demand(JSON.stringify(list.urls) === JSON.stringify(urls), 'the archive is of another list of URLs')
  demand(list.pages.length === urls.length, `the archive has ${list.pages.length} pages of ${urls.length}`)
  demand(files.length === urls.length + 1, `the archive has ${files.length} files for ${urls.length} pages and a manifest`)
  demand(claim.pages === list.pages.length, 'the submission has another number of pages than the archive')

  let bytes = 0
  for (const [i, page] of /** @type {Page[]} */ (list.pages).entries()) {
    demand(page?.url === urls[i], `page ${i} is not of ${urls[i]}`)
    demand(sizes.get(page.path) === page.size, `the file of ${page.url} is missing or not as large as the manifest says`)
    demand(page.size <= maxPageBytes, `the file of ${page.url} is larger than a page may be`)
    demand((await hashOf(ctx, claim.cid, page)) === page.sha256, `the file of ${page.url} has another hash than the manifest says`)
    bytes += page.size
  }
  demand(new Set(list.pages.map((/** @type {Page} */ page) => page.path)).size === urls.length, 'two pages share a file')
  demand(claim.bytes === bytes, `the submission says ${claim.bytes} bytes, the archive has ${bytes}`)

  await parallel(choose(/** @type {Page[]} */ (list.pages), sampledPages), (page) => comparePage(ctx, page))
}

/** @param {Context} ctx @param {Page} page */
async function comparePage(ctx, page) {
  const first = await fetchPage(ctx, page.url)
  demand(first.status === page.status, `${page.url} answers with status ${first.status}, the archive says ${page.status}`)
  demand(first.contentType === page.contentType, `${page.url} is ${first.contentType}, the archive says ${page.contentType}`)
  if (first.sha256 === page.sha256) {
    return
  }
  // nobody can be held to content that changes from one request to the next; but that it does is checked
  const second = await fetchPage(ctx, page.url)
  demand(second.sha256 !== first.sha256, `${page.url} has other content than the archive`)
}

/** @param {Context} ctx @param {string} cid @param {Page} page */
async function hashOf(ctx, cid, { path, size }) {
  const hash = createHash('sha256')
  for (let offset = 0; offset < size; offset += READ_BYTES) {
    hash.update(await ctx.proofs.readFile(cid, path, { offset, length: Math.min(READ_BYTES, size - offset) }))
  }
  return hash.digest('hex')
}

/** @param {Context} ctx @param {string} url @returns {Promise<Fetched>} */
async function fetchPage(ctx, url) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fetchOnce(ctx, url)
    } catch (error) {
      if (attempt === FETCH_ATTEMPTS || ctx.signal.aborted) {
        throw new Error(`${url} did not answer: ${/** @type {Error} */ (error).message}`, { cause: error })
      }
      await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** attempt))
    }
  }
}

/** @param {Context} ctx @param {string} url @returns {Promise<Fetched>} */
async function fetchOnce(ctx, url) {
  const { maxPageBytes, pageTimeoutMs } = parametersOf(ctx)
  const signal = AbortSignal.any([ctx.signal, AbortSignal.timeout(pageTimeoutMs)])
  let target = new URL(url)
  for (let redirects = 0; ; redirects++) {
    const response = await fetch(target, { redirect: 'manual', signal, headers: { 'user-agent': `${manifest.name}/${manifest.version}` } })
    const location = response.headers.get('location')
    const next = response.status >= 300 && response.status < 400 && location != null ? new URL(location, target) : null
    // to another host means out of the list, perhaps into the operator's own network: the redirect is the page then
    if (next != null && next.hostname === target.hostname && /^https?:$/.test(next.protocol) && redirects < MAX_REDIRECTS) {
      await response.body?.cancel()
      target = next
      continue
    }
    const { content, truncated } = await readBody(response, maxPageBytes)
    return {
      status: response.status,
      contentType: response.headers.get('content-type') ?? '',
      sha256: digest(content),
      truncated,
      content
    }
  }
}

/** @param {Response} response @param {number} limit */
async function readBody(response, limit) {
  /** @type {Uint8Array[]} */
  const chunks = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk.subarray(0, limit - size))
    size += chunk.length
    if (size > limit) {
      return { content: Buffer.concat(chunks), truncated: true }
    }
  }
  return { content: Buffer.concat(chunks), truncated: false }
}

/** @param {Context} ctx */
function parametersOf(ctx) {
  const { urls, maxPageBytes, pageTimeoutMs, sampledPages } = /** @type {Record<string, unknown>} */ (ctx.params ?? {})
  const isUrl = (/** @type {unknown} */ url) => typeof url === 'string' && URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)
  if (!Array.isArray(urls) || urls.length === 0 || urls.length > MAX_URLS || !urls.every(isUrl) || new Set(urls).size !== urls.length) {
    throw new Error(`the task's parameters need urls: 1 to ${MAX_URLS} different http(s) URLs`)
  }
  const number = (/** @type {unknown} */ given, /** @type {number} */ otherwise) =>
    Number.isSafeInteger(given) ? Number(given) : otherwise
  return {
    urls: /** @type {string[]} */ (urls),
    maxPageBytes: number(maxPageBytes, DEFAULT_PAGE_BYTES),
    pageTimeoutMs: number(pageTimeoutMs, DEFAULT_PAGE_TIMEOUT_MS),
    sampledPages: number(sampledPages, DEFAULT_SAMPLED_PAGES)
  }
}

/** @param {string | Uint8Array} content */
function digest(content) {
  return createHash('sha256').update(content).digest('hex')
}

/** @param {string} text @param {string} what @returns {any} */
function parse(text, what) {
  /** @type {unknown} */
  let value
  try {
    value = JSON.parse(text)
  } catch {
    value = null
  }
  demand(typeof value === 'object' && value !== null, `${what} is no JSON object`)
  return value
}

/** @template T, R @param {T[]} items @param {(item: T, index: number) => Promise<R>} run @returns {Promise<R[]>} */
async function parallel(items, run) {
  /** @type {R[]} */
  const results = []
  const queue = items.entries()
  const worker = async () => {
    for (const [i, item] of queue) {
      results[i] = await run(item, i)
    }
  }
  await Promise.all(Array.from({ length: PARALLEL_FETCHES }, worker))
  return results
}

/** So many of the list, each with the same chance, by the auditor's private randomness. @template T @param {T[]} list @param {number} count */
function choose(list, count) {
  return list
    .map((item) => ({ item, order: crypto.getRandomValues(new Uint32Array(1))[0] ?? 0 }))
    .sort((a, b) => a.order - b.order)
    .slice(0, count)
    .map(({ item }) => item)
}
