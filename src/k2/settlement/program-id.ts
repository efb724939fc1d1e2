// a file of its own: whoever needs no more than this starts without the instructions and what they import

/** Where the program lives on the local K2: sha2-256 of "koii-mesh/settlement/1". */
export const PROGRAM_ID = '79sPp44ozvk8YAMfbokbJctzEjDabGPd8JkSFb8NpmLZ'
