import ImageModel

/// What a run does, and with which numbers: its options once they have met the images. The same on every rank, and on
/// any number of ranks.
struct RunPlan {
  /// How neighbours are found: not `auto`.
  let kind: SearchMethod
  let search: any NeighbourSearch
  /// Where their probabilities come from.
  let probabilities: ProbabilitySource

  /// - Parameter probabilitiesHold: whether simulated images tell what is true of the run's own: not where these are
  ///   masked, and have no noise around the particles, nor where particles had to be looked for in their boxes. Then there
  ///   are no probabilities unless they are asked for.
  /// - Throws: `OptionError` where the options do not go with what `auto` has become.
  init(
    _ options: AverageOptions, images: Int, layout: AngularLayout, probabilitiesHold: Bool
  ) throws {
    kind = Self.kind(options, images: images, layout: layout)
    try options.validateProbabilities(of: kind)
    search = kind.search(options)
    probabilities =
      !probabilitiesHold && options.probabilities == nil && !options.isLengthAutomatic
      ? .none : options.probabilitySource(of: kind)
  }

  /// What `auto` means for this many images: all pairs, while the time predicted for one pass fits the budget.
  static func kind(_ options: AverageOptions, images: Int, layout: AngularLayout) -> SearchMethod {
    if options.search != .auto { return options.search }
    if options.affinity == nil { return .rir }
    return SearchCost.automaticSearch(
      images: images, layout: layout, coreHours: options.searchBudget)
  }
}

extension AverageOptions {
  /// Passes of the searches that particles are centred by.
  private static let centringPasses = 3

  /// How classes are found that particles are centred by, whatever the run's own search is: by the Bayes factor, and
  /// without what comes after the passes.
  func centringSearch(images: Int, layout: AngularLayout) -> any NeighbourSearch {
    var options = AverageOptions()
    (options.seed, options.landmarks, options.searchBudget) = (seed, landmarks, searchBudget)
    (options.passes, options.rounds) = (Self.centringPasses, 0)
    options.neighbours = min(options.neighbours, images - 1)
    return RunPlan.kind(options, images: images, layout: layout).search(options)
  }
}

extension SearchMethod {
  /// The search that a run's options ask for by this name.
  func search(_ options: AverageOptions) -> any NeighbourSearch {
    let affinity = options.affinity ?? .mahalanobis
    switch self {
    case .allPairs, .auto:
      return AllPairsNeighbours(
        affinity: affinity, limits: options.passLimits(of: affinity),
        coAssignment: options.coAssignment(after: affinity))
    case .landmarks:
      return ReferenceNeighbours(
        affinity: affinity, limits: options.passLimits(of: affinity),
        sample: AllPairsNeighbours(affinity: .bayes, limits: options.passLimits(of: .bayes)),
        references: options.landmarks, candidates: options.candidateCount, seed: options.seed,
        coAssignment: options.coAssignment(after: affinity))
    case .rir:
      return InvariantNeighbours(
        affinity: options.affinity, neighbours: options.neighbours,
        candidates: options.suspectCount, bispectrum: options.bispectrum,
        features: options.features)
    case .vdm:
      let graph = options.graphOptions
      return DiffusionNeighbours(
        graph: graph.search.search(graph), affinity: affinity, neighbours: options.neighbours,
        options: options.vdm)
    }
  }
}

extension AverageOptions {
  /// More passes than these are not made where they stop by themselves.
  private static let mostPasses = 6

  /// The passes in force after a search by an affinity.
  func passLimits(of affinity: Affinity) -> RefinementLimits {
    RefinementLimits(
      neighbours: neighbours, most: passes ?? (affinity.comparesClasses ? Self.mostPasses : 1),
      areAutomatic: passes == nil)
  }

  /// What follows the passes; nil for nothing.
  func coAssignment(after affinity: Affinity) -> CoAssignment? {
    let rounds = rounds ?? (passLimits(of: affinity).most > 1 ? CoAssignment.rounds : 0)
    return rounds == 0
      ? nil : CoAssignment(rounds: rounds, references: landmarks, slices: slices, seed: seed)
  }
}
