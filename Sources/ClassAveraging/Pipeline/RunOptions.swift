import Execution
import ImageModel

/// How suspects are found.
public enum SearchMethod: String, Sendable, CaseIterable {
  /// All pairs where that fits the time allowed, else reference classes; rir where its own order is asked for.
  case auto
  /// Nearest neighbours of rotationally invariant features: bispectrum and PCA (method E.7).
  case rir
  /// Every pair of images, scored exactly by the affinity.
  case allPairs = "all-pairs"
  /// Candidates by exact comparison with the classes of a sample, scored by the affinity.
  case landmarks
  /// Nearest neighbours in the vector diffusion map of the graph that another search has found (E.7).
  case vdm
}

/// Options of `average`.
public struct AverageOptions: Sendable {
  /// How the clean images are modelled.
  public var model = ModelOptions()
  /// K, neighbours of each image.
  public var neighbours = 10
  /// Whether lists are as long as the confidence lets them be, up to a class's members, instead of K; K
  /// is then only what the passes look at.
  public var isLengthAutomatic = false
  /// With lists of automatic length: the least probability of a neighbour that is kept.
  public var confidence = 0.2
  /// Whether what the probabilities are computed from is kept, to fit their formula.
  public var keepsPairFeatures = false
  /// Where the probabilities of neighbours come from; nil for a simulation after all pairs, and with lists of
  /// automatic length, else none.
  public var probabilities: ProbabilitySource?
  /// S, suspects of each image that the invariants or reference classes find and the affinity ranks; nil for 50
  /// (invariants) or 100 (reference classes) or, if there are more neighbours, as many or twice as many.
  public var suspects: Int?
  /// How suspects are found.
  public var search = SearchMethod.auto
  /// Core hours for a pass up to which `auto` searches all pairs; not wall hours, so that the result does
  /// not depend on the number of ranks. Beyond this many, reference classes take less time for all their passes.
  public var searchBudget = 0.01
  /// Images drawn at random whose classes `landmarks` compares all images with; all where there are fewer.
  public var landmarks = 2500
  /// How suspects are ranked; nil keeps the search's own order.
  public var affinity: Affinity? = .bayes
  /// Passes: the first among single images, the others among classes (method E.6). nil lets them stop by
  /// themselves, after the first one for anything but all pairs and reference classes by the Bayes factor.
  public var passes: Int?
  /// Rounds in which neighbours are found by the reference classes that images share, after the passes; 0 for none. nil for
  /// two after more than one pass by the Bayes factor.
  public var rounds: Int?
  /// Slices of a volume, matched to class averages, that all images are compared with after the rounds; 0 for none.
  public var slices = 2500
  /// How many averages are written, from the first image on; all if nil.
  public var averages: Int?
  /// Seed of all random numbers.
  public var seed: UInt64 = 1
  /// How terms of the bispectrum are drawn, for `rir`.
  public var bispectrum = Bispectrum.Options()
  /// How features are made of them.
  public var features = InvariantFeatures.Options()
  /// The vector diffusion map, for `vdm`.
  public var vdm = VectorDiffusionMap.Options()

  /// The defaults.
  public init() {}

  /// S in force.
  package var suspectCount: Int { suspects ?? max(50, neighbours) }

  /// Candidates of each image in the search by reference classes; more than make a class.
  package var candidateCount: Int { suspects ?? max(100, 2 * neighbours) }

  /// Of the run whose neighbours make the graph of the vector diffusion map: one pass unless more are asked
  /// for.
  var graphOptions: AverageOptions {
    var graph = self
    (graph.search, graph.neighbours) = (vdm.graph.search, vdm.neighbours)
    graph.passes = passes ?? 1
    graph.rounds = rounds ?? 0
    graph.probabilities = ProbabilitySource.none
    return graph
  }

  /// All that needs no particles to be known.
  /// - Throws: `OptionError` where a value is out of range, or two do not go together.
  public func validate() throws {
    try model.validate()
    try require(neighbours >= 1, .neighbours, neighbours, .atLeast(1))
    try validateProbabilities()
    try require(confidence >= 0 && confidence <= 1, .confidence, confidence, .zeroToOne)
    if let suspects, suspects < neighbours {
      throw OptionError.tooFewForNeighbours(.suspects, found: suspects, neighbours: neighbours)
    }
    if let passes {
      try require(passes >= 1, .passes, passes, .atLeast(1))
      if passes > 1, affinity != .bayes || search == .rir {
        throw OptionError.needsBayesFactor(.passes, found: "\(passes)")
      }
    }
    if let rounds {
      try require(rounds >= 0, .rounds, rounds, .atLeast(0))
      if rounds > 0, affinity != .bayes || search == .rir || passes == 1 {
        throw OptionError.needsBayesFactor(.rounds, found: "\(rounds)")
      }
    }
    try require(slices >= 0, .slices, slices, .atLeast(0))
    try require(landmarks >= 1, .landmarks, landmarks, .atLeast(1))
    if search == .landmarks && landmarks <= neighbours {
      throw OptionError.tooFewForNeighbours(.landmarks, found: landmarks, neighbours: neighbours)
    }
    try require(
      searchBudget >= 0 && searchBudget.isFinite, .searchBudget, searchBudget, .fromZero)
    if [.allPairs, .landmarks].contains(search) && affinity == nil {
      throw OptionError.conflict(.affinity, .search)
    }
    if search == .vdm {
      try vdm.validate(neighbours: neighbours)
      try graphOptions.validate()
    }
    if let averages { try require(averages >= 0, .averages, averages, .atLeast(0)) }
  }

  /// All of it, for so many images and ranks.
  /// - Parameters:
  ///   - images: how many images there are to choose from.
  ///   - ranks: how many there are.
  /// - Throws: `OptionError` where a value is out of range, or two do not go together.
  public func validate(images: Int, ranks: Int) throws {
    if images < ranks { throw OptionError.tooManyRanks(ranks, images: images) }
    try validate()
    if neighbours >= images {
      throw OptionError.tooManyNeighbours(.neighbours, found: neighbours, images: images)
    }
    if search == .vdm && vdm.neighbours >= images {
      throw OptionError.tooManyNeighbours(.vdmNeighbours, found: vdm.neighbours, images: images)
    }
  }
}

extension VectorDiffusionMap.Graph {
  /// The search whose neighbours make the graph.
  var search: SearchMethod {
    switch self {
    case .rir: .rir
    case .allPairs: .allPairs
    }
  }
}
