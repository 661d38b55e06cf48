/// What counts as a true neighbour, where the clean images are known.
public enum TrueNeighbours {
  /// Their clean images correlate above this at the best in-plane rotation.
  public static let leastCorrelation = 0.9
}
