import Foundation
import MPI
import ParticleIO
import TestSupport
import Testing

@testable import Execution
@testable import ImageModel

/// What a survey of the images says to the options. Collective.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ModelOptionsRanks {
  private let size = 16

  /// The survey of a few images of noise; nil where the options are refused, on all ranks.
  private func survey(_ change: (inout ModelOptions) -> Void) throws -> ImageSurvey? {
    let world = try testWorld()
    let folder = try TemporaryFolder()
    let numbers = randomNormals(8 * size * size, seed: 7)
    let images = (0..<8).map { image in
      (0..<size * size).map { Float(numbers[image * size * size + $0]) }
    }
    let set = try writeStack(images, size: size, in: folder, on: world)
    defer { withExtendedLifetime(folder) { try? world.barrier() } }
    var options = ModelOptions()
    change(&options)
    do {
      return try ImageSurvey(
        of: set, options: options.survey, on: world, observer: SilentObserver())
    } catch is ReportedError { return nil }
  }

  @Test("A particle radius is from two pixels to half the box", arguments: [2, 8])
  func radius(accepted: Double) throws {
    #expect(
      try survey {
        // At half the box the corners are what is left of the background.
        ($0.radius, $0.bandLimit) = (accepted, 0.3)
      }?.radius == accepted)
    let beyond = accepted == 2 ? accepted.nextDown : accepted.nextUp
    for refused in [beyond, .nan] {
      #expect(try survey { ($0.radius, $0.bandLimit) = (refused, 0.3) } == nil)
    }
  }

  @Test("A band limit is above 0 and at most 1/2")
  func bandLimit() throws {
    for accepted in [0.5, 0.01] {
      #expect(try survey { ($0.radius, $0.bandLimit) = (6, accepted) }?.bandLimit == accepted)
    }
    for refused in [0, 0.5.nextUp, .nan] {
      #expect(try survey { ($0.radius, $0.bandLimit) = (6, refused) } == nil)
    }
  }

  @Test("A noise variance is above 0")
  func noiseVariance() throws {
    #expect(
      try survey {
        ($0.radius, $0.bandLimit, $0.noiseVariance) = (6, 0.3, .leastNormalMagnitude)
      }?.noiseVariance == .leastNormalMagnitude)
    for refused in [0, -1, .nan] {
      #expect(
        try survey { ($0.radius, $0.bandLimit, $0.noiseVariance) = (6, 0.3, refused) } == nil)
    }
  }
}
