import MPI

/// Where the probabilities of neighbours come from.
public enum ProbabilitySource: String, Sendable, CaseIterable {
  /// The same search among simulated images like the run's own, whose truth is known
  /// (`ProbabilityCalibration`).
  case simulation
  /// A formula fitted once (`NeighbourProbability`); for all pairs only.
  case formula
  /// There are none.
  case none
}

extension AverageOptions {
  /// The source in force for a search, which is not `auto`.
  func probabilitySource(of search: SuspectSearch) -> ProbabilitySource {
    guard affinity == .bayes, search == .allPairs || search == .landmarks else { return .none }
    // As much work again: where there are so many images, for those who ask.
    return probabilities ?? (search == .allPairs || isLengthAutomatic ? .simulation : .none)
  }

  /// - Throws: `OptionError` where the source does not go with the other options.
  func validateProbabilities() throws {
    let searches: [SuspectSearch] = [.auto, .allPairs, .landmarks]
    if isLengthAutomatic && (affinity != .bayes || !searches.contains(search)) {
      throw OptionError(
        "--neighbours auto goes by probabilities, which only neighbours by the Bayes factor have: use "
          + "--search all-pairs or landmarks with --affinity bayes, or a number of neighbours")
    }
    guard let probabilities else { return }
    if probabilities == .none {
      if isLengthAutomatic {
        throw OptionError("--neighbours auto goes by probabilities, but --probabilities is none")
      }
    } else if affinity != .bayes || !searches.contains(search) {
      throw OptionError(
        "--probabilities is \(probabilities.rawValue), but only neighbours by the Bayes factor have them: use "
          + "--search all-pairs or landmarks with --affinity bayes")
    }
  }

  /// - Parameter search: what `auto` has become.
  /// - Throws: `OptionError` where the formula is asked for and does not know the search.
  func validateProbabilities(of search: SuspectSearch) throws {
    if probabilities == .formula && search == .landmarks {
      throw OptionError(
        "--probabilities formula was fitted to all pairs, but the search is landmarks: use simulation, none, "
          + "or --search all-pairs")
    }
  }
}

extension AveragePipeline {
  /// The neighbours asked for, with their probabilities where there are any. Collective.
  /// - Parameters:
  ///   - table: of the last pass, not cut to the neighbours asked for.
  ///   - search: what found it.
  func withProbabilities(
    _ table: NeighbourTable, _ search: SuspectSearch, _ model: FittedModel,
    _ scoring: SuspectScoring
  ) throws -> NeighbourTable {
    let source = options.probabilitySource(of: search)
    if source == .none { return table.prefix(options.neighbours) }
    let probability =
      source == .formula
      ? NeighbourProbability() : try calibrated(search, model, scoring)
    let result = try NeighbourFeatureExtraction(
      basis: model.basis,
      passes: stoppable.passes(model.posterior, scoring.observed(by: stoppable.observer))
    ).withProbabilities(table, probability, keepRegressors: options.keepsPairFeatures)
    return options.isLengthAutomatic
      ? result.confident(options.confidence) : result.prefix(options.neighbours)
  }

  /// The probabilities of this model's neighbours, by the same search among simulated images. Collective.
  private func calibrated(
    _ search: SuspectSearch, _ model: FittedModel, _ scoring: SuspectScoring
  ) throws -> NeighbourProbability {
    let pipeline = AveragePipeline(
      options: options, on: comm, observer: PrefixedObserver("calibration:", observer),
      checkpoints: try checkpoints?.ofCalibration())
    let calm = pipeline.stoppable
    let own = model.partition.range(of: comm.rank)
    calm.observer.stageBegan("images", items: own.count)
    let images = try SimulatedImages(
      like: model.posterior, basis: model.basis, groups: scoring.groups, own: own,
      seed: options.seed, threads: options.model.threads, on: comm, observer: calm.observer)
    calm.observer.stageEnded()
    let rows = DistributedRows(images.statistics, partition: model.partition, on: comm)
    let simulated = SuspectScoring(
      model: scoring.model, rows: rows, groups: scoring.groups, threads: options.model.threads,
      comm: comm, observer: pipeline.observer)
    let table =
      search == .landmarks
      ? try pipeline.compareWithLandmarks(model.posterior, simulated, rows).table
      : try pipeline.compareAllPairs(model.posterior, simulated).table
    calm.observer.stageBegan("fit", items: 0)
    defer { calm.observer.stageEnded() }
    let passes = calm.passes(model.posterior, simulated.observed(by: calm.observer))
    return try ProbabilityCalibration(basis: model.basis, passes: passes, clean: images.clean).fit(
      table, neighbours: options.isLengthAutomatic ? passes.members : options.neighbours)
  }
}
