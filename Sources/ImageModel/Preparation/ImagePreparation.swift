import Execution
import Foundation

/// How an image is brought to what the image model (method E.1) describes (E.14, E.15): its background's plane is taken off, pixels
/// that noise cannot explain are replaced by noise, and its scale is made that of the others. Every look at the pixels
/// after the first prepares them alike.
struct ImagePreparation: Sendable, Equatable {
  /// The edge of an image in pixels.
  var size: Int
  /// The background lies outside this radius (pixels).
  var radius: Double
  /// What is taken off each image.
  var level: BackgroundLevel
  /// No pixel further from the plane than so many standard deviations of the noise is believed.
  var dustBound: Double
  /// Whether there is no noise outside the particles: they were masked, or all but them was subtracted.
  var isMasked = false
  /// How each noise group's images are scaled.
  var scales: [ImageScale]
  /// Units of the prepared images, in units of the files: where scales are common to all images.
  var unit = 1.0
}

/// What of an image's background is not noise. What noise explains stays, for taking it off would add more noise of low
/// frequency to the middle of the image than there was.
struct BackgroundLevel: Sendable, Equatable {
  /// The usual mean, in units of the files: it is taken off all images.
  var mean = 0.0
  /// Whether images differ from it, so that each image's own mean is taken off.
  var isOwnMean = false
  /// Whether backgrounds slope, so that each image's plane is taken off.
  var isPlane = false
  /// An image whose own plane is further from the usual mean than so many times what noise explains is on its own.
  static let limit = 60.0

  /// The plane that is taken off an image with this background.
  /// - Parameter pixels: of the background.
  func plane(_ background: ImageBackground, pixels: Int, size: Int) -> (
    mean: Double, columnSlope: Double, rowSlope: Double
  ) {
    let difference = background.mean - mean
    let isFar = difference * difference * Double(pixels) > Self.limit * background.variance
    // A slope's square at the edge scatters as that of a mean does, give or take a factor of 3.
    let isSteep =
      background.slope(size: size) * Double(pixels) > 3 * Self.limit
    return (
      isOwnMean || isPlane || isFar ? background.mean : mean,
      isPlane || isSteep ? background.columnSlope : 0,
      isPlane || isSteep ? background.rowSlope : 0
    )
  }

  /// Functions that are fitted to each background: none, a constant, or a plane.
  var functions: Int { isPlane ? 3 : isOwnMean ? 1 : 0 }
}

/// By what a group's images are divided: their noise's standard deviation, as far as images differ in it by more than
/// they would by chance (method E.14.5).
struct ImageScale: Sendable, Equatable {
  /// What the group's usual image is divided by, in `ImagePreparation.unit`s.
  var level = 1.0
  /// Logarithm of the usual variance of an image's noise.
  var logVariance: Double
  /// How much of an image's difference from it is its own: 0 where all images are alike, 1 where each is on its own.
  var share: Double
  /// Differences beyond this are an image's own in any case: junk, another exposure.
  var limit: Double

  /// What an image with noise of this variance is divided by, and whether it is unlike the others.
  func factor(variance: Double) -> (scale: Double, isUnusual: Bool) {
    guard variance > 0 else { return (level, true) }
    let difference = log(variance) - logVariance
    let isUnusual = abs(difference) > limit
    return (level * exp((isUnusual ? 1 : share) * difference / 2), isUnusual)
  }
}

/// Prepares images; one instance a thread.
final class ImagePreparer {
  let preparation: ImagePreparation
  private let fit: BackgroundFit

  init(_ preparation: ImagePreparation) {
    self.preparation = preparation
    fit = BackgroundFit(
      size: preparation.size, radius: preparation.radius, outlier: preparation.dustBound)
  }

  /// What is done to one image.
  struct Outcome {
    /// Pixels replaced by noise.
    var dust = 0
    /// Whether its noise is stronger or weaker than that of others by far.
    var isUnusual = false
  }

  /// Prepares an image (size x size, row-major) into another place.
  /// - Parameters:
  ///   - index: of the particle in the STAR file: what noise replaces dust depends on nothing else.
  ///   - group: its noise group.
  ///   - noisePassed: the variance that unit noise has left, where the image was multiplied by its CTF; else 1.
  @discardableResult
  func prepare(
    _ image: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>, index: Int, group: Int,
    noisePassed: Double = 1
  ) -> Outcome {
    let size = preparation.size
    var outcome = Outcome()
    if preparation.isMasked {
      let scale = 1 / preparation.unit
      for i in 0..<size * size { target[i] = Float(Double(image[i]) * scale) }
      return outcome
    }
    let background = fit.fit(image)
    let (factor, isUnusual) = preparation.scales[group].factor(
      variance: background.variance / max(noisePassed, 1e-6))
    outcome.isUnusual = isUnusual
    let scale = 1 / (factor * preparation.unit)
    let plane = preparation.level.plane(background, pixels: fit.pixelCount, size: size)
    let deviation = background.variance.squareRoot()
    let bound = preparation.dustBound * deviation
    for row in 0..<size {
      let y = Double(row - size / 2)
      for column in 0..<size {
        let at = row * size + column
        let x = Double(column - size / 2)
        var value = Double(image[at]) - plane.mean - plane.columnSlope * x - plane.rowSlope * y
        if abs(Double(image[at]) - background.plane(x, y)) > bound {
          let number = CounterRandom.normals(seed: Self.seed, index: index * size * size + at).0
          value = deviation * number
          outcome.dust += 1
        }
        target[at] = Float(value * scale)
      }
    }
    return outcome
  }

  private static var seed: UInt64 { 0xD057 }
}
