/** The parts of the real package's types that @solana/spl-token names. */
export type TokenMetadata = never
export declare enum Field {
  Name = 0,
  Symbol = 1,
  Uri = 2
}
export declare const createEmitInstruction: () => never
export declare const createInitializeInstruction: () => never
export declare const createRemoveKeyInstruction: () => never
export declare const createUpdateAuthorityInstruction: () => never
export declare const createUpdateFieldInstruction: () => never
export declare const pack: () => never
export declare const unpack: () => never
