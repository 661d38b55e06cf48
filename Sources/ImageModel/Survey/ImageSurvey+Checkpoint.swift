import ParticleIO
import Resume

extension CheckpointWriter {
  /// What a survey found.
  func add(_ survey: ImageSurvey) throws {
    try add(survey.leftOut.flatMap { [$0.particle, $0.defect.rawValue] })
    let statistics = survey.statistics
    try add(statistics.count)
    for list in [
      statistics.radial, statistics.radialVariance, statistics.power, statistics.noisePower,
      statistics.signalPower,
    ] {
      try add(list)
    }
    for number in [
      survey.noiseVariance, survey.whiteVariance, survey.bandLimit, survey.radius,
    ] {
      try add(number)
    }
    let preparation = survey.preparation
    try add(
      [preparation.radius, preparation.dustBound, preparation.unit, preparation.level.mean])
    try add([preparation.level.isOwnMean ? 1 : 0, preparation.level.isPlane ? 1 : 0])
    try add(
      preparation.scales.flatMap { [$0.level, $0.logVariance, $0.share, min($0.limit, 1e9)] })
    try add(survey.noise.groupOfOptics)
    for spectrum in survey.noise.spectra {
      try add(spectrum.power)
      try add(spectrum.hasPassed ? spectrum.passed : [])
      try add(spectrum.hasPassed ? spectrum.meanSquare : [])
    }
    let (findings, background) = (survey.findings, survey.findings.background)
    let extent = findings.extent
    try add(
      [extent.radius, background.fineVariance, findings.colour, findings.passedShare])
    try add(
      [
        background.images, background.areScaled ? 1 : 0, background.dusty,
        extent.touchesEdge ? 1 : 0, extent.isCrowded ? 1 : 0, findings.isMasked ? 1 : 0,
        findings.hasOtherPhases ? 1 : 0,
      ])
    let centring = survey.centring
    try add(centring.scatter)
    try add([centring.rounds, centring.isComplete ? 1 : 0])
    // Else they lie where the STAR file says.
    if centring.scatter > 0 {
      try add(
        survey.particles.particles.flatMap {
          [Double($0.displacement.x), Double($0.displacement.y)]
        })
    }
  }
}

extension ImageSurvey {
  /// Reads what `CheckpointWriter.add` wrote.
  init(_ reader: inout CheckpointReader, of set: ParticleSet) throws {
    // Particles and defects by turns.
    let pairs: [Int] = try reader.array()
    let (bad, defects) = (
      stride(from: 0, to: pairs.count, by: 2).map { pairs[$0] },
      stride(from: 1, to: pairs.count, by: 2).compactMap { ParticleDefect(rawValue: pairs[$0]) }
    )
    try reader.require(
      2 * bad.count == pairs.count && defects.count == bad.count
        && bad.allSatisfy { set.particles.indices.contains($0) }
        && zip(bad, bad.dropFirst()).allSatisfy(<) && bad.count < set.particles.count)
    let isBad = Set(bad)
    let kept = set.particles.indices.filter { !isBad.contains($0) }
    let (shells, radii) = (set.boxSize / 2 + 1, ImageProfiler.radii(size: set.boxSize))
    let statistics = ImageStatistics(
      count: try reader.int(), radial: try reader.numbers(radii),
      radialVariance: try reader.numbers(radii), power: try reader.numbers(shells),
      noisePower: try reader.numbers(shells), signalPower: try reader.numbers(shells))
    let (variance, white, limit, radius) = (
      try reader.double(), try reader.double(), try reader.double(), try reader.double()
    )
    let half = Double(set.boxSize) / 2
    try reader.require(
      0...kept.count ~= statistics.count && variance > 0 && variance.isFinite
        && white > 0 && white.isFinite && limit > 0
        && limit <= 0.5 && radius > 0 && radius <= half)
    let numbers = try reader.numbers(4)
    let switches: [Int] = try reader.array()
    try reader.require(switches.count == 2 && switches.allSatisfy { 0...1 ~= $0 })
    let groups = NoiseGroups.ofOptics(set)
    let scales = try reader.numbers(4 * groups.count)
    let ofOptics: [Int] = try reader.array()
    try reader.require(
      ofOptics == groups.ofOptics && numbers.prefix(3).allSatisfy { $0 > 0 }
        && numbers[0] <= half + 2)
    let steps = NoiseSpectrum.count(size: set.boxSize)
    let spectra = try (0..<groups.count).map { _ in
      let power = try reader.numbers(steps)
      let (passed, square): ([Double], [Double]) = (try reader.array(), try reader.array())
      try reader.require(passed.count == square.count && [0, steps].contains(passed.count))
      return passed.isEmpty
        ? NoiseSpectrum(power: power)
        : NoiseSpectrum(power: power, passed: passed, meanSquare: square)
    }
    try reader.require(
      spectra.allSatisfy {
        $0.power.allSatisfy { $0 > 0 }
          && ($0.passed + $0.meanSquare).allSatisfy { $0 >= 0 && $0.isFinite }
      })
    let lengths = try reader.numbers(4)
    let found: [Int] = try reader.array()
    try reader.require(
      found.count == 7 && [0, 2].allSatisfy { 0...kept.count ~= found[$0] }
        && [1, 3, 4, 5, 6].allSatisfy { 0...1 ~= found[$0] })
    var extent = ParticleExtent(radius: lengths[0])
    (extent.touchesEdge, extent.isCrowded) = (found[3] == 1, found[4] == 1)
    let scatter = try reader.double()
    let state: [Int] = try reader.array()
    try reader.require(
      scatter >= 0 && scatter <= half && state.count == 2 && 0...9 ~= state[0]
        && 0...1 ~= state[1])
    var particles = isBad.isEmpty ? set : set.selecting(kept)
    if scatter > 0 {
      let places = try reader.numbers(2 * kept.count)
      try reader.require(places.allSatisfy { abs($0) <= 2 * half })
      particles = particles.displaced(
        by: kept.indices.map { SIMD2(Float(places[2 * $0]), Float(places[2 * $0 + 1])) })
    }
    self.init(
      particles: particles, originalIndex: kept.map { Int32($0) },
      leftOut: zip(bad, defects).map { ($0, $1) }, statistics: statistics,
      preparation: ImagePreparation(
        size: set.boxSize, radius: numbers[0],
        level: BackgroundLevel(
          mean: numbers[3], isOwnMean: switches[0] == 1, isPlane: switches[1] == 1),
        dustBound: numbers[1], isMasked: found[5] == 1,
        scales: (0..<groups.count).map {
          ImageScale(
            level: scales[4 * $0], logVariance: scales[4 * $0 + 1], share: scales[4 * $0 + 2],
            limit: scales[4 * $0 + 3])
        }, unit: numbers[2]),
      noise: NoiseModel(groupOfOptics: ofOptics, spectra: spectra), noiseVariance: variance,
      whiteVariance: white,
      bandLimit: limit, radius: radius,
      findings: SurveyFindings(
        background: BackgroundFindings(
          images: found[0], areScaled: found[1] == 1, isPlane: switches[1] == 1, dusty: found[2],
          fineVariance: lengths[1]), extent: extent, isMasked: found[5] == 1,
        colour: lengths[2], passedShare: lengths[3], hasOtherPhases: found[6] == 1))
    (centring.scatter, centring.rounds) = (scatter, state[0])
    centring.isComplete = state[1] == 1
  }
}
