import Execution
import ImageModel

/// How suspects are found.
public enum SuspectSearch: String, Sendable, CaseIterable {
  /// All pairs where that fits the time allowed, else landmarks; rir where its own order is asked for.
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
  /// S, suspects of each image that the invariants or landmarks find and the affinity ranks; nil for 50
  /// (invariants) or 100 (landmarks) or, if there are more neighbours, as many or twice as many.
  public var suspects: Int?
  /// How suspects are found.
  public var search = SuspectSearch.auto
  /// Core hours for a pass up to which `auto` searches all pairs; not wall hours, so that the result does
  /// not depend on the number of ranks. Beyond this many, landmarks take less time for all their passes.
  public var searchBudget = 0.01
  /// Images drawn at random whose classes `landmarks` compares all images with; all where there are fewer.
  public var landmarks = 2500
  /// How suspects are ranked; nil keeps the search's own order.
  public var affinity: Affinity? = .bayes
  /// Passes: the first among single images, the others among classes (method E.6). nil lets them stop by
  /// themselves, after the first one for anything but all pairs and landmarks by the Bayes factor.
  public var passes: Int?
  /// Rounds in which neighbours are found by the landmarks that images share, after the passes; 0 for none. nil for
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

  /// Candidates of each image in the landmark search; more than make a class.
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

  /// - Parameters:
  ///   - images: how many images there are to choose from.
  ///   - ranks: how many there are.
  /// - Throws: `OptionError` where the numbers do not fit together.
  public func validate(images: Int, ranks: Int) throws {
    if images < ranks {
      throw OptionError(
        "\(ranks) ranks for \(images) images: start at most one rank for each image")
    }
    if neighbours < 1 { throw OptionError("--neighbours is \(neighbours); at least 1 is needed") }
    if neighbours >= images {
      throw OptionError(
        "--neighbours is \(neighbours), but each of \(images) images has only \(images - 1) others")
    }
    try validateProbabilities()
    // Written so that NaN fails as well.
    if !(confidence >= 0 && confidence <= 1) {
      throw OptionError("--confidence is \(confidence); a probability from 0 to 1 is needed")
    }
    if let suspects, suspects < neighbours {
      throw OptionError(
        "--suspects is \(suspects), fewer than the \(neighbours) neighbours to choose from them")
    }
    if let passes, passes < 1 { throw OptionError("--passes is \(passes); at least 1 is needed") }
    if let passes, passes > 1, affinity != .bayes || search == .rir {
      throw OptionError(
        "--passes is \(passes), but classes are compared by the Bayes factor: use --search "
          + "all-pairs or landmarks with --affinity bayes, or one pass")
    }
    if let rounds, rounds < 0 { throw OptionError("--rounds is \(rounds); 0 or more are needed") }
    if let rounds, rounds > 0, affinity != .bayes || search == .rir || passes == 1 {
      throw OptionError(
        "--rounds is \(rounds), but rounds follow passes among classes: use --search all-pairs or landmarks "
          + "with --affinity bayes and more than one pass, or 0 rounds")
    }
    if slices < 0 { throw OptionError("--slices is \(slices); 0 or more are needed") }
    if landmarks < 1 { throw OptionError("--landmarks is \(landmarks); at least 1 is needed") }
    if search == .landmarks && landmarks <= neighbours {
      throw OptionError(
        "--landmarks is \(landmarks); more than the \(neighbours) neighbours are needed")
    }
    // Written so that NaN fails as well.
    if !(searchBudget >= 0 && searchBudget.isFinite) {
      throw OptionError(
        "--search-budget is \(searchBudget); a number of core hours from 0 is needed")
    }
    if [.allPairs, .landmarks].contains(search) && affinity == nil {
      throw OptionError(
        "--affinity none keeps the order of --search rir; all pairs are ordered by an affinity")
    }
    if search == .vdm {
      try vdm.validate(images: images, neighbours: neighbours)
      try graphOptions.validate(images: images, ranks: ranks)
    }
    if let averages, averages < 0 { throw OptionError("--averages is \(averages)") }
  }
}

extension VectorDiffusionMap.Graph {
  /// The search whose neighbours make the graph.
  var search: SuspectSearch {
    switch self {
    case .rir: .rir
    case .allPairs: .allPairs
    }
  }
}
