/** Who may ask: programs of this machine that know the token, and no web page. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'

export const WILDCARDS = new Set(['0.0.0.0', '::'])
const LOOPBACK = /^(127\.0\.0\.1|localhost|\[::1\])$/

export interface Refusal {
  status: 401 | 403
  code: 'host-refused' | 'page-refused' | 'token-missing' | 'token-wrong'
  message: string
}

/** As Node gives them: names in small letters. */
export type Headers = Record<string, string | string[] | undefined>

/** 256 bits, in letters that need no quoting. */
export function makeToken(): string {
  return randomBytes(32).toString('base64url')
}

const one = (header: string | string[] | undefined): string | undefined => (Array.isArray(header) ? header.join(',') : header)

/**
 * Refuses what a web page can have a browser send: a Host that is a name (a page's own may be made to lead here), an Origin, or a word of
 * the browser's that a page is behind it. There are no CORS headers either.
 *
 * @param host - the IP address that is listened on
 */
export function refusePage(headers: Headers, host: string): Refusal | undefined {
  const asked = (one(headers.host) ?? '').replace(/:\d+$/, '')
  const address = asked.replace(/^\[(.*)\]$/, '$1')
  if (!LOOPBACK.test(asked) && address !== host && !(WILDCARDS.has(host) && isIP(address) !== 0)) {
    return { status: 403, code: 'host-refused', message: 'ask by the IP address, and not by a name' }
  }
  const site = one(headers['sec-fetch-site'])
  if (headers.origin != null || (site != null && site !== 'none')) {
    return { status: 403, code: 'page-refused', message: 'web pages are not answered' }
  }
  return undefined
}

/** @param file - where the token is */
export function createTokenCheck(token: string, file: string): (headers: Headers) => Refusal | undefined {
  // of equal length whatever is given, so that comparing takes the same time
  const digest = (text: string) => createHash('sha256').update(text).digest()
  const right = digest(token)
  return ({ authorization }) => {
    const given = /^Bearer +(\S+)$/i.exec(one(authorization) ?? '')?.[1]
    if (given == null) {
      return { status: 401, code: 'token-missing', message: `send the token in ${file} as a header: Authorization: Bearer TOKEN` }
    }
    return timingSafeEqual(digest(given), right)
      ? undefined
      : { status: 401, code: 'token-wrong', message: `that is not the token: ${file} has it, and a new one after each start` }
  }
}
