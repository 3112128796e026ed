/** Of this release; the hub is told it with each hello. */
export const EDGE_VERSION = '0.1.0';
