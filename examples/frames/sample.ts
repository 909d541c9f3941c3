/**
 * What travels: one sample of a sensor, written and read in place.
 *
 *     byte  0          8          16
 *           +----------+----------+
 *           | number   | value    |   two float64, little-endian
 *           +----------+----------+
 */
export const SAMPLE_BYTES = 16;
export const NUMBER_OFFSET = 0;
export const VALUE_OFFSET = 8;
export const SAMPLES = 100_000;
