/** Start of heading: no test prints it. */
export const ANNOUNCEMENT = '\u0001';
