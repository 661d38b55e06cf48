/// The options of a run that an error may be about, in the library's own terms: what a user calls them is the matter of
/// the command line.
public enum OptionName: String, Sendable, CaseIterable {
  /// `ModelOptions.defocusGroups`.
  case defocusGroups
  /// `ModelOptions.noiseVariance`.
  case noiseVariance
  /// `ModelOptions.threads`.
  case threads
  /// `AverageOptions.neighbours`, and `isLengthAutomatic`.
  case neighbours
  /// `AverageOptions.confidence`.
  case confidence
  /// `AverageOptions.probabilities`.
  case probabilities
  /// `AverageOptions.suspects`.
  case suspects
  /// `AverageOptions.search`.
  case search
  /// `AverageOptions.searchBudget`.
  case searchBudget
  /// `AverageOptions.landmarks`.
  case landmarks
  /// `AverageOptions.affinity`.
  case affinity
  /// `AverageOptions.passes`.
  case passes
  /// `AverageOptions.rounds`.
  case rounds
  /// `AverageOptions.slices`.
  case slices
  /// `AverageOptions.averages`.
  case averages
  /// `VectorDiffusionMap.Options.neighbours`.
  case vdmNeighbours
  /// `VectorDiffusionMap.Options.eigenvectors`.
  case vdmEigenvectors
  /// `VectorDiffusionMap.Options.frequencies`.
  case vdmFrequencies
  /// `VectorDiffusionMap.Options.time`.
  case vdmTime
}
