import { expect } from 'chai'
import { ContradictionError } from '../../src/signer/index.ts'

/** What was asked of a signer fails so, and says why. */
export async function refused(
  asked: Promise<unknown>,
  error: new (...args: never[]) => Error = ContradictionError,
  says = /second, different .* of cycle \d+/
): Promise<void> {
  const err = await asked.then(
    () => undefined,
    (one: Error) => one
  )
  expect(err, `${says}`).to.be.instanceOf(error)
  expect(err!.message).to.match(says)
}
