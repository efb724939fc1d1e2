const absent = (name) => () => {
  throw new Error(`${name} is of @solana/spl-token-metadata, which is not in this tree: see stubs/spl-token-metadata/README.md`)
}

export const Field = { Name: 0, Symbol: 1, Uri: 2 }
export const createEmitInstruction = absent('createEmitInstruction')
export const createInitializeInstruction = absent('createInitializeInstruction')
export const createRemoveKeyInstruction = absent('createRemoveKeyInstruction')
export const createUpdateAuthorityInstruction = absent('createUpdateAuthorityInstruction')
export const createUpdateFieldInstruction = absent('createUpdateFieldInstruction')
export const pack = absent('pack')
export const unpack = absent('unpack')
