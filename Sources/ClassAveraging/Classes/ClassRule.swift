import Foundation

/// How large the classes of images are, and what their neighbours are ordered by.
struct ClassRule {
  /// What a neighbour's affinity says.
  enum Evidence {
    /// The Bayes factor of the best of many alignments.
    case bayesFactor
    /// How much more probable than by chance both belong to the same classes (`CoAssignmentRounds`): no alignment was
    /// chosen for it.
    case coAssignment
  }

  /// Neighbours in the lists that are handed on, and in a class.
  let members: Int
  /// What neighbours are weighed by.
  var evidence = Evidence.bayesFactor

  /// The prior log odds against a pair: few of all images are neighbours, and of many rotations and two
  /// reflections the best is taken.
  func priorLogOdds(among images: ImageSet) -> Double {
    let chance = log(Double(max(1, images.count - 1)) / Double(members))
    switch evidence {
    case .bayesFactor:
      return chance + log(2 * Double(1 + (images.posterior.layout.frequencies.last ?? 0)))
    case .coAssignment: return chance
    }
  }
}
