import Foundation
import TestSupport
import Testing

@testable import ImageModel

/// What is taken off images before anything is measured in them.
@Suite struct BackgroundTests {
  private let size = 40

  /// A plane and noise of variance 1 of image `index`.
  private func image(
    _ index: Int, mean: Double = 0, slopes: (x: Double, y: Double) = (0, 0)
  ) -> [Float] {
    let noise = randomNormals((index + 1) * size * size, seed: 91).suffix(size * size)
    return zip(0..<size * size, noise).map { pixel, noise in
      let (x, y) = (Double(pixel % size - size / 2), Double(pixel / size - size / 2))
      return Float(mean + slopes.x * x + slopes.y * y + noise)
    }
  }

  @Test("The median is the middle of the sorted values, the upper of two", arguments: 1...40)
  func medians(count: Int) {
    let numbers = randomNormals(count, seed: UInt64(count)).map { Float($0) }
    // Some are equal.
    for values in [numbers, numbers.map { $0.rounded() }, numbers.sorted(), numbers.map { _ in 3 }]
    {
      var changed = values
      #expect(median(&changed) == values.sorted()[count / 2])
      #expect(changed.sorted() == values.sorted())
    }
  }

  @Test("A plane without noise is found to the last bits, whatever the particle is like")
  func plane() {
    let fit = BackgroundFit(size: size, radius: 12, outlier: 6)
    var image = (0..<size * size).map { pixel -> Float in
      Float(3 + 0.25 * Double(pixel % size - size / 2) - 0.5 * Double(pixel / size - size / 2))
    }
    for pixel in image.indices
    where hypot(Double(pixel % size - 20), Double(pixel / size - 20)) <= 12 {
      image[pixel] += 1000
    }
    let found = fit.fit(image)
    #expect(abs(found.mean - 3) < 1e-9)
    #expect(abs(found.columnSlope - 0.25) < 1e-9 && abs(found.rowSlope + 0.5) < 1e-9)
    #expect(found.variance < 1e-12)
  }

  @Test("Dust in the background changes neither plane nor variance", arguments: [1e3, 1e20, 3e38])
  func dust(value: Float) {
    let fit = BackgroundFit(size: size, radius: 12, outlier: 6)
    let clean = image(3, mean: 2, slopes: (0.1, 0))
    let usual = fit.fit(clean)
    var dusty = clean
    dusty[5] = value
    let found = fit.fit(dusty)
    #expect(
      abs(found.mean - usual.mean) < 0.02 && abs(found.columnSlope - usual.columnSlope) < 0.002)
    #expect(abs(found.variance / usual.variance - 1) < 0.02)
    #expect(found.outliers == 1 && found.extreme > 900)
    #expect(usual.outliers == 0 && usual.extreme < 6)
  }

  @Test(
    "The variance is that of the noise, three degrees of freedom taken off, and so are its halves")
  func variance() {
    let fit = BackgroundFit(size: size, radius: 15, outlier: 8)
    var (sum, left, right) = (0.0, 0.0, 0.0)
    for index in 0..<60 {
      let found = fit.fit(image(index, mean: 5, slopes: (-0.2, 0.3)))
      sum += found.variance
      left += found.halves.first
      right += found.halves.second
    }
    // 60 images of 900 pixels: 0.6 % by chance.
    #expect(abs(sum / 60 - 1) < 0.02 && abs(left / 60 - 1) < 0.03 && abs(right / 60 - 1) < 0.03)
  }

  private func preparation(_ level: BackgroundLevel, scale: ImageScale) -> ImagePreparation {
    ImagePreparation(
      size: size, radius: 12, level: level, dustBound: 6, scales: [scale], unit: 2)
  }

  @Test("A prepared image has lost its plane and its dust, and has the scale of the others")
  func prepared() {
    let preparer = ImagePreparer(
      preparation(
        BackgroundLevel(isPlane: true),
        scale: ImageScale(logVariance: 0, share: 1, limit: .infinity)))
    var noisy = image(2, mean: 100, slopes: (2, -1)).map { 3 * $0 }
    let kept = noisy
    noisy[7] = 1e20
    noisy[900] = -1e9
    var target = [Float](repeating: 0, count: size * size)
    let outcome = preparer.prepare(noisy, into: &target, index: 4, group: 0)
    #expect(outcome.dust == 2 && !outcome.isUnusual)
    let squares = target.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(target.count)
    // In units of 2.
    #expect(abs(4 * squares - 1) < 0.08)
    #expect(target.allSatisfy { abs($0) < 3.5 })
    var again = target
    preparer.prepare(noisy, into: &again, index: 4, group: 0)
    #expect(again == target)
    // Noise in the place of dust is another in another image, and no other pixel knows of it.
    preparer.prepare(noisy, into: &again, index: 5, group: 0)
    #expect(zip(again, target).enumerated().filter { $1.0 != $1.1 }.map(\.offset) == [7, 900])
    preparer.prepare(kept, into: &again, index: 4, group: 0)
    let difference = zip(again, target).enumerated().map {
      [7, 900].contains($0) ? 0 : abs($1.0 - $1.1)
    }
    #expect(difference.max()! < 0.02)
  }

  @Test("Where images are alike, only what they have in common is taken off")
  func common() {
    let preparer = ImagePreparer(
      preparation(
        BackgroundLevel(mean: 10), scale: ImageScale(logVariance: 0, share: 0, limit: 0.5)))
    let noisy = image(1, mean: 10)
    var target = [Float](repeating: 0, count: size * size)
    preparer.prepare(noisy, into: &target, index: 0, group: 0)
    #expect(zip(noisy, target).allSatisfy { abs(($0 - 10) / 2 - $1) < 1e-6 })
    // One that is unlike the others is on its own.
    let far = noisy.map { 5 * $0 + 200 }
    #expect(preparer.prepare(far, into: &target, index: 0, group: 0).isUnusual)
    let mean = target.reduce(0.0) { $0 + Double($1) } / Double(target.count)
    let square = target.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(target.count)
    #expect(abs(mean) < 0.1 && abs(4 * square - 1) < 0.1)
  }
}
