import ImageModel

extension SearchCost {
  /// What the automatic search takes: all pairs while one pass over them takes no longer than `coreHours`, else
  /// reference classes.
  public static func automaticSearch(
    images: Int, layout: AngularLayout, coreHours: Double = AverageOptions().searchBudget
  ) -> SearchMethod {
    operations(images: images, layout: layout) / operationRate <= coreHours * 3600
      ? .allPairs : .landmarks
  }
}
