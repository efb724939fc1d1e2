import { fileURLToPath } from 'node:url'

/** The tasks that come with the node: `src/tasks/bundles/NAME/main.mjs`. */
export const builtInBundles = ['k2-index', 'site-archive'] as const

export type BuiltInBundle = (typeof builtInBundles)[number]

/** The file of a built-in bundle, in a checkout and in the built package alike. */
export function bundlePath(name: BuiltInBundle): string {
  return fileURLToPath(new URL(`./${name}/main.mjs`, import.meta.url))
}
