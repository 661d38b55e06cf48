import Foundation
import MPI
import ParticleIO
import TestSupport
import Testing

@testable import Execution
@testable import ImageModel
@testable import Resume

/// Models whose checksums are right and whose content is not: they are named and not used.
@Suite(.serialized, .timeLimit(.minutes(2)))
final class ForgedModelTests {
  private let size = 16
  private let count = 40
  private let folder: TemporaryFolder
  private let comm: Communicator
  private let set: ParticleSet
  private var options = ModelOptions()
  private var lines: [String] = []

  init() throws {
    folder = try TemporaryFolder()
    comm = try testWorld().split(colour: testWorld().rank, key: 0)
    let ctfs = (0..<count).map { testCTF(defocus: 8000 + 2500 * Double($0 % 3)) }
    let noise = randomNormals(count * size * size, seed: 7)
    var images: [[Float]] = []
    for image in 0..<count {
      let clean = blobs(size: size, turned: Double(image) * 0.7)
      let own = noise[image * size * size..<(image + 1) * size * size]
      images.append(zip(clean, own).map { 3 * $0 + 0.3 * Float($1) })
    }
    images[11][5] = .nan
    set = try writeStack(images, size: size, ctfs: ctfs, in: folder, on: comm)
    options.radius = 5
    options.bandLimit = 0.3
  }

  private func checkpoints() throws -> Checkpoints {
    Checkpoints(
      path: folder.file("checkpoints"),
      sources: CheckpointSources(
        input: ["input": "test"], model: [:], search: [:], kinds: ["model", "statistics-"],
        nested: []), isResuming: true, interval: 0, stop: try StopRequest(on: comm), on: comm
    ) { self.lines.append($0) }
  }

  /// The model that is restored, and why none is.
  private func restored() throws -> (model: FittedModel?, reasons: [String]) {
    lines = []
    let model = try checkpoints().restoredModel(set, options: options)
    return (model, lines.filter { $0.hasPrefix("not used: ") })
  }

  @Test("Every count, size and frequency of a model may be any number")
  func model() throws {
    let fitted = try FittedModel(set, options: options, on: comm, observer: SilentObserver())
    try checkpoints().save(fitted)
    let whole = try restored()
    #expect(whole.model?.posterior.information == fitted.posterior.information)
    #expect(whole.model?.survey.leftOut.map(\.particle) == [11] && whole.reasons == [])

    let forged = try ForgedCheckpoint(path: folder.file("checkpoints/model"))
    // Integers are small, numbers of double precision are none of these.
    let places = (0..<forged.wordCount).filter { abs(forged.word($0)) < 1 << 20 }
    #expect(places.count > 100)
    var (all, corrupt) = (0, 0)
    for place in places {
      for word in forgedWords where word != forged.word(place) {
        try forged.write(word, at: place)
        let (model, reasons) = try restored()
        #expect(model == nil && reasons.count >= 1, "\(word) at \(place)")
        all += 1
        corrupt += reasons.contains { $0.contains("/model: is corrupt") } ? 1 : 0
      }
    }
    // A few counts and switches may be others; the images' statistics are not of such a model.
    #expect(corrupt > all * 9 / 10, "\(corrupt) of \(all)")
    for words in stride(from: 0, to: forged.wordCount, by: 7) {
      try forged.write(words: words)
      let (model, reasons) = try restored()
      #expect(model == nil && reasons.count == 1 && reasons[0].contains("/model: is corrupt"))
    }
    try forged.restore()
    #expect(try restored().model != nil)
  }

  @Test("Numbers of a model are finite, variances above zero")
  func numbers() throws {
    let fitted = try FittedModel(set, options: options, on: comm, observer: SilentObserver())
    try checkpoints().save(fitted)
    let forged = try ForgedCheckpoint(path: folder.file("checkpoints/model"))
    let (variance, eigenvalue) = (
      fitted.survey.noiseVariance, fitted.posterior.eigenvalues[0][0]
    )
    for value in [variance, eigenvalue, fitted.estimate.mean[0], fitted.survey.statistics.power[3]]
    {
      let places = (0..<forged.wordCount).filter {
        forged.word($0) == Int64(bitPattern: value.bitPattern)
      }
      // The covariance, which comes before, may hold an eigenvalue too.
      let place = try #require(value == eigenvalue ? places.last : places.first)
      var wrong = [Double.nan, .infinity]
      if value == variance || value == eigenvalue { wrong += [0, -1] }
      for word in wrong {
        try forged.write(Int64(bitPattern: word.bitPattern), at: place)
        let (model, reasons) = try restored()
        #expect(model == nil)
        #expect(reasons.contains { $0.contains("/model: is corrupt") }, "\(word) for \(value)")
      }
    }
  }

  @Test("Statistics of other images, of more than there are, and of NaN")
  func statistics() throws {
    try checkpoints().save(
      FittedModel(set, options: options, on: comm, observer: SilentObserver()))
    let name = "statistics-0-\(count - 1)"
    let forged = try ForgedCheckpoint(path: folder.file("checkpoints/\(name)"))
    // The first image, the number of images, floats of each, floats of the first part.
    for place in 0..<4 {
      for word in forgedWords where word != forged.word(place) {
        try forged.write(word, at: place)
        let (model, reasons) = try restored()
        #expect(model == nil && reasons.first?.contains(name) == true, "\(word) at \(place)")
      }
    }
    try forged.write(forgedWords.last!, at: forged.wordCount - 1)
    #expect(try restored().model == nil)
    try forged.restore()
    #expect(try restored().model != nil)
  }
}
