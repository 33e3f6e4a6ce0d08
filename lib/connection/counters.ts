/** What an endpoint has counted since it was made. */
export class Counters {
  framesIn = 0;
  framesOut = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** Messages dropped for slow clients, by `static overflow`. */
  dropped = 0;
  /** Messages refused for their rate. */
  rateLimited = 0;
}
