/** How a testnet says that it cannot begin. */
export class TestnetError extends Error {
  override name = 'TestnetError'
}
