import ImageModel

/// What a comparison of all pairs costs: the formula that the automatic search and plans share.
public enum SearchCost {
  /// Floating-point operations of one pair, both reflections and all rotations; see `PairKernel`.
  public static func operationsPerPair(_ layout: AngularLayout) -> Double {
    layout.componentCount == 0 ? 0 : Double(PairKernel(layout: layout).operationsPerPair)
  }

  /// Operations a second of one core, pruned pairs included. Measured: 37e9 on a 2.6 GHz server core with
  /// 512-bit vectors.
  public static let operationRate = 37e9

  /// Operations of all unordered pairs of `images`: n (n - 1) / 2 times those of a pair.
  public static func operations(images: Int, layout: AngularLayout) -> Double {
    Double(images) * Double(images - 1) / 2 * operationsPerPair(layout)
  }
}
