/// What a message from one rank to another is about, so that none is taken for another: a name for each use.
public enum MessageTag: Int32, CaseIterable, Sendable {
  /// A block of coefficients on its way round the ring of ranks.
  case coefficients = 1
  /// What a travelling block's images know already: candidates below it are left out.
  case thresholds
  /// What was found for a travelling block's images, back to their owner.
  case candidates
  /// One of two ranks that share chunks of work asks for its next one.
  case chunkQuestion
  /// The number of that chunk.
  case chunkAnswer
  /// A block of invariant features on its way round the ring of ranks.
  case features
  /// A block of a diffusion map's vectors on its way round the ring of ranks.
  case diffusionVectors
  /// Simulated images, for the rank that writes them.
  case particles
  /// The same without noise.
  case cleanImages
  /// Asks the ranks to stop.
  case stopNotice
  /// Says nothing: measures the network, or lets a test's ranks go on.
  case probe
}
