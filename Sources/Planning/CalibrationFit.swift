import Execution

/// How the constants follow from the stages' processor times.
extension Calibration {
  /// The constants under which the model gives the times of two runs of different size. A constant that the
  /// runs do not determine (its part is lost in the others' noise) gets a small value.
  static func fit(_ small: Sample, _ large: Sample, matrixProductRate: Double) -> Machine {
    var machine = Machine.builtIn
    let samples = [small, large]
    let units = samples.map { CostModel.Units($0.job) }
    let images = units.map(\.n)
    let ranks = Double(large.table.ranks)
    /// Processor seconds of the work that the ranks share, without what rank 0 does beyond.
    func work(_ name: String, at: Int) -> Double {
      let seconds = samples[at].stage(name)?.rankProcessorSeconds ?? []
      let all = seconds.reduce(0, +)
      guard seconds.count > 1 else { return all }
      let others = (all - seconds[0]) / Double(seconds.count - 1)
      return all - max(0, seconds[0] - others)
    }

    func positive(_ value: Double, _ usual: Double) -> Double {
      value > usual * 1e-3 && value.isFinite ? value : usual * 1e-3
    }
    let input = samples[1].stage(StageName.input)?.rankProcessorSeconds.first ?? 0
    machine.particle = positive(input / images[1], machine.particle)
    machine.surveyPixel = positive(
      work(StageName.survey, at: 1) / (units[1].surveyPixels + ranks * units[1].comparedPixels),
      machine.surveyPixel)
    let preparing = images[1] * units[1].preparedPixels * machine.surveyPixel
    machine.analysisOperation = positive(
      (work(StageName.coefficients, at: 1) - preparing) / (images[1] * units[1].analysisOperations),
      machine.analysisOperation)

    let covariance = solve(
      samples.indices.map { at in
        (
          images[at] * (units[at].momentProducts + units[at].distanceProducts) + ranks
            * units[at].comparedDistances,
          units[at].solvingSteps + ranks * units[at].modelSteps,
          work(StageName.covariance, at: at)
        )
      } + [(1, 0, machine.momentProduct)])
    machine.momentProduct = positive(covariance.0, machine.momentProduct)
    machine.modelStep = positive(covariance.1, machine.modelStep)

    let compared = samples.indices.map { at in
      CostModel.comparedPairs(samples[at].job, ranks: samples[at].table.ranks)
        * units[at].pairOperations
    }
    let entered = samples.map { CostModel.candidates($0.job) }
    // A run that something else disturbs would give all of its time to one of the two: a candidate should cost
    // about its usual share.
    let usualSearch = compared[1] * machine.pairOperation + entered[1] * machine.candidate
    let search = solve(
      samples.indices.map { (compared[$0], entered[$0], work(StageName.allPairs, at: $0)) }
        + [(0, 1, machine.candidate * work(StageName.allPairs, at: 1) / usualSearch)])
    machine.pairOperation = positive(search.0, machine.pairOperation)
    machine.candidate = positive(search.1, machine.candidate)

    // Pairs of one number of operations do not tell scoring from collecting: each takes its usual share.
    let scored = images[1] * Double(samples[1].job.capacity)
    let usual =
      scored * (units[1].pairOperations * machine.scoredOperation + machine.collectedCandidate)
    let pace = positive(work(StageName.affinity, at: 1) / usual, 1)
    machine.scoredOperation *= pace
    machine.collectedCandidate *= pace

    machine.productOperation = 1 / matrixProductRate
    let pixels = units[1].pixels * units[1].realComponents
    machine.eigenimagePixel = positive(large.eigenimages / pixels, machine.eigenimagePixel)
    let allAverages = large.stage(StageName.averages)?.rankProcessorSeconds.reduce(0, +) ?? 0
    let averages =
      allAverages - large.writing - ranks * large.eigenimages
      - 2 * images[1] * pixels * machine.productOperation
    machine.classOperation = positive(
      averages / (images[1] * units[1].classOperations(members: large.job.neighbours)),
      machine.classOperation)

    // The two go nearly together: a pair of classes should cost about what a pair of images costs.
    let pass = solve(
      samples.indices.map { at in
        let job = samples[at].job
        let members = Double(job.members)
        let known =
          images[at] * units[at].classOperations(members: job.members) * machine.classOperation
          + CostModel.triedPairs(job) * units[at].pairOperations * machine.scoredOperation
          + images[at] * members * machine.collectedCandidate
        return (
          CostModel.comparedClasses(job, ranks: samples[at].table.ranks)
            * units[at].pairOperations,
          images[at] * members * units[at].pairOperations, work(StageName.pass(2), at: at) - known
        )
      } + [(1, 0, machine.pairOperation)])
    machine.classPairOperation = positive(pass.0, machine.classPairOperation)
    machine.memberOperation = positive(pass.1, machine.memberOperation)

    machine.probabilityOperation = positive(
      work(StageName.probabilities, at: 1) / CostModel.probabilityOperations(large.job),
      machine.probabilityOperation)

    let bytes = 4 * images[1] * units[1].pixels
    machine.writtenByte = positive(large.writing / bytes, machine.writtenByte)
    return machine
  }

  /// x, y >= 0 with the least squares of relative errors of a x + b y = c over the rows (a, b, c).
  static func solve(_ rows: [(Double, Double, Double)]) -> (Double, Double) {
    let scaled = rows.filter { $0.2 > 0 }.map { ($0.0 / $0.2, $0.1 / $0.2) }
    func sum(_ value: ((Double, Double)) -> Double) -> Double {
      scaled.reduce(0) { $0 + value($1) }
    }
    let (aa, ab, bb) = (sum { $0.0 * $0.0 }, sum { $0.0 * $0.1 }, sum { $0.1 * $0.1 })
    let (a, b) = (sum(\.0), sum(\.1))
    let determinant = aa * bb - ab * ab
    let x = (a * bb - b * ab) / determinant
    let y = (b * aa - a * ab) / determinant
    if determinant > 1e-9 * aa * bb, x >= 0, y >= 0 { return (x, y) }
    // One of them alone, the one that explains more.
    let (alone, other) = (aa > 0 ? a / aa : 0, bb > 0 ? b / bb : 0)
    let errorAlone = scaled.reduce(0) { $0 + ($1.0 * alone - 1) * ($1.0 * alone - 1) }
    let errorOther = scaled.reduce(0) { $0 + ($1.1 * other - 1) * ($1.1 * other - 1) }
    return errorAlone <= errorOther ? (alone, 0) : (0, other)
  }
}
