"""The texts of which the Python of a network is put together. What stands behind a $ is filled in."""

FLOAT = '''\
    def batch_norm(self, x, name):
        return tf.keras.layers.BatchNormalization(momentum=$momentum, epsilon=$epsilon, name=name)(x)

    def stem(self, x):
        """Float convolutions, each with batch norm, ReLU between them."""
        for i, (filters, kernel, strides) in enumerate(STEM):
            if i:
                x = tf.keras.layers.ReLU()(x)
            x = tf.keras.layers.Conv2D(
                filters, kernel, strides=strides, padding="same", use_bias=False, name=f"stem_{i}_conv"
            )(x)
            x = self.batch_norm(x, f"stem_{i}_bn")
$max_pool        return x
'''

BINARY = '''\
    def binary_conv(self, x, filters, kernel, strides, dilation, name):
        """The sign of x, convolved with the signs of the kernel. Padded with ones, so that the border is binary too."""
        return lq.layers.QuantConv2D(
            filters,
            kernel,
            strides=strides,
            dilation_rate=dilation,
            padding="same",
            pad_values=1.0,
            input_quantizer=self.input_quantizer,
            kernel_quantizer=self.kernel_quantizer,
            kernel_constraint=self.kernel_constraint,
            kernel_initializer="glorot_normal",
            use_bias=False,
            name=name,
        )(x)

    def binary_block(self, x, filters, kernel, dilation, name, relu=True):
        """Binary convolution, ReLU, batch norm: the order that the Larq Compute Engine fuses."""
        x = self.binary_conv(x, filters, kernel, 1, dilation, f"{name}_conv")
        if relu:
            x = tf.keras.layers.ReLU()(x)
        return self.batch_norm(x, f"{name}_bn")
'''

FACTORIZED = '''\
    def factorized_block(self, x, filters, kernel, dilation, name, relu=True):
        """A binary block of stride 2: half of the filters see x, half see it shifted by one pixel."""
        shifted = tf.keras.layers.Cropping2D(((1, 0), (1, 0)))(x)
        shifted = tf.keras.layers.ZeroPadding2D(((0, 1), (0, 1)))(shifted)
        strides, halves = 2, []
        for half, image in (("even", x), ("odd", shifted)):
            if dilation == 2 or kernel == 1:  # both see every second pixel: all of the subsampled image
                image, strides = tf.keras.layers.MaxPooling2D(1, strides=2, padding="same")(image), 1
            halves.append(self.binary_conv(image, filters // 2, kernel, strides, 1, f"{name}_{half}"))
        x = tf.keras.layers.Concatenate()(halves)
        if relu:
            x = tf.keras.layers.ReLU()(x)
        return self.batch_norm(x, f"{name}_bn")
'''

STRIDED = '''\
    def strided_block(self, x, filters, kernel, dilation, name, relu=True):
        """A binary block of stride 2."""
        strides = 2
        if dilation == 2 or kernel == 1:  # sees every second pixel: all of the subsampled image
            x, strides = tf.keras.layers.MaxPooling2D(1, strides=2, padding="same")(x), 1
        x = self.binary_conv(x, filters, kernel, strides, 1, f"{name}_conv")
        if relu:
            x = tf.keras.layers.ReLU()(x)
        return self.batch_norm(x, f"{name}_bn")
'''

# Around a block, where there are several paths.
PATHS = '''\
    def $block(self, x, filters, kernel, dilation, name, relu=True):
        """$num_paths parallel paths, each with a shift of its own before its signs."""
        paths = []
        for i in range($num_paths):
            path = f"{name}_path_{i}"
            shifted = self.batch_norm(x, f"{path}_shift_bn")
            paths.append(self.$path(shifted, filters, kernel, dilation, path, relu))
        return tf.keras.layers.Add()(paths)
'''

MAPPED = '''\
    def mapped(self, x, filters, strides):
        """A shortcut into another stage: output channel j is channel j modulo their number, at stride 2 of averages."""
        if strides == 2:
            x = tf.keras.layers.AveragePooling2D(2, padding="same")(x)
        copies = -(-filters // x.shape[-1])
        if copies > 1:
            x = tf.keras.layers.Concatenate()([x] * copies)
$cut        return x
'''

TRANSITION = '''\
    def transition(self, x, filters, name):
        """A shortcut into another stage, as QuickNet has it."""
        x = tf.keras.layers.ReLU()(x)
        x = tf.keras.layers.MaxPooling2D(2, strides=1, padding="same")(x)
        x = tf.keras.layers.AveragePooling2D(2, strides=1, padding="same")(x)
        x = tf.keras.layers.AveragePooling2D(2, padding="same")(x)
        x = tf.keras.layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_conv")(x)
        return self.batch_norm(x, f"{name}_bn")
'''

# Where the channels of two stages do not divide each other.
CUT = '''\
        if x.shape[-1] > filters:  # cut as columns, which stock layers can
            height, width, channels = x.shape[1:]
            x = tf.keras.layers.Reshape((height * width, channels, 1))(x)
            x = tf.keras.layers.Cropping2D(((0, 0), (0, channels - filters)))(x)
            x = tf.keras.layers.Reshape((height, width, filters))(x)
'''

EDGE = '''\
    def edge(self, x, shortcut, primitive, filters, strides, name):
        """A primitive on x, a node, and the shortcut that leads past it."""
$branches        kernel, dilation, relu, adds_shortcut = PRIMITIVES[primitive]
$block        return tf.keras.layers.Add()([x, shortcut]) if adds_shortcut else x
'''

CELL = '''\
    def cell(self, x, filters, topology, name$strides_argument):
        """Squeezes the main path to one node, sums the edges of each node, and concatenates the nodes.

        A shortcut carries the whole main path past that.$node_filters
        """
        shortcut = x
$reduction        process = self.binary_block(x, x.shape[-1] // len(topology), 1, 1, f"{name}_process")
$nodes$missing        x = tf.keras.layers.Concatenate()(nodes[1:]) if len(topology) > 1 else nodes[1]
        return tf.keras.layers.Add()([x, shortcut])
'''

FULL_WIDTH_CELL = '''\
    def cell(self, x, filters, topology, name$strides_argument):
        """Sums the edges of each node, and adds all nodes to the main path, which is as wide as they are."""
        shortcut = x
$reduction$nodes        terms = [node for node in (*nodes[1:], shortcut) if node is not None]
        return tf.keras.layers.Add()(terms) if len(terms) > 1 else shortcut
'''

BACKBONE_CELL = '''\
    def cell(self, x, filters, repeats, topology, name$strides_argument):
        """The backbone's convolutions with the batch-normalised sum of the nodes beside them.

        A shortcut leads past each convolution.
        """
        path = x
        for i in range(repeats):
            shortcut = path
$downsample            path = $conv
            path = tf.keras.layers.Add()([path, shortcut])
$nodes        nodes = [node for node in nodes[1:] if node is not None]
        if not nodes:
            return path
        total = tf.keras.layers.Add()(nodes) if len(nodes) > 1 else nodes[0]
        return tf.keras.layers.Add()([path, self.batch_norm(total, f"{name}_nodes_bn")])
'''
DOWNSAMPLE = '''\
            if i == 0 and (strides == 2 or filters != x.shape[-1]):
                if strides == 2:
                    shortcut = tf.keras.layers.AveragePooling2D(2, padding="same")(shortcut)
                shortcut = tf.keras.layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_downsample_conv")(shortcut)
                shortcut = self.batch_norm(shortcut, f"{name}_downsample_bn")
            block = self.strided_block if i == 0 and strides == 2 else self.binary_block
'''

# The nodes of a cell behind node 0.
NODES = '''\
        nodes, shortcuts = [$node_0], [$first_shortcut]
        for target, inputs in enumerate(topology, start=1):
            terms = [
                self.edge(
                    nodes[source],
                    shortcuts[source],
                    primitive,
                    filters,
                    $edge_strides,
                    f"{name}_edge_{source}_{target}_{primitive}",
                )
                for source, primitive in inputs
            ]
            nodes.append($sum)
            shortcuts.append(nodes[-1])
'''

BLOCK = "        x = self.binary_block(x, filters, kernel, dilation, name, relu)\n"
BLOCK_2 = '''\
        block = self.binary_block if strides == 1 else self.$strided_block
        x = block(x, filters, kernel, dilation, name, relu)
'''
REDUCE = '''\
        if strides == 2:
            shortcut = $shortcut
'''
REDUCE_CONV = '''\
            block = self.factorized_block(x, $path_filters, $reduction_kernel, 1, f"{name}_shortcut")
            shortcut = tf.keras.layers.Add()([block, shortcut])
'''
MISSING = '''\
        present = [node for node in nodes[1:] if node is not None]
        if not present:
            return shortcut
        zeros = tf.keras.layers.Rescaling(0.0)
        nodes = [zeros(present[0]) if node is None else node for node in nodes]
'''
