/// What a comparison of all pairs costs: the formula that `--search auto` and `kindred plan` share.
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

  /// What `--search auto` takes: all pairs while one pass over them takes no longer than `coreHours`, else
  /// landmarks.
  public static func automaticSearch(
    images: Int, layout: AngularLayout, coreHours: Double = AverageOptions().searchBudget
  ) -> SuspectSearch {
    operations(images: images, layout: layout) / operationRate <= coreHours * 3600
      ? .allPairs : .landmarks
  }
}

/// How large classes are.
public enum ClassSize {
  /// Members of landmarks' classes whose rows a rank fetches at a time, about; those of all its landmarks at once
  /// where there are no more images.
  public static let membersAtATime = 1 << 16
  /// Images that a thread compares with landmarks at a time.
  public static let comparedAtATime = 512
  /// Candidates that a rank scores at a time. Between two such batches ranks wait for each other; and of a pair that
  /// both of its images ask for, in one batch, the score is found once.
  public static let candidatesAtATime = 1 << 19

  /// How many neighbours make a class among `images`: a small part of all views, at most 50.
  public static func members(images: Int, neighbours: Int) -> Int {
    ClassPasses.members(images: images, neighbours: neighbours)
  }

  /// The same for the classes of landmarks that images share.
  public static func sharedMembers(images: Int, neighbours: Int) -> Int {
    SharedLandmarks.members(
      images: images, atLeast: members(images: images, neighbours: neighbours))
  }
}
