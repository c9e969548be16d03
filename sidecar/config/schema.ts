/**
 * The configuration file, in the form people write it: the one place that knows every key, its limits and what an
 * editor should say about it. Defaults are not here but in `normalize.ts`, because a service inherits most of them.
 */
import { z } from 'zod';
import {
  isWeight,
  MAX_METADATA_KEYS,
  MAX_NAME_LENGTH,
  MAX_TAGS,
  MAX_TEXT_LENGTH,
  MAX_WEIGHT,
} from '../../registry/instance.js';
import { REGISTRY_SCHEMES } from '../../registry/open.js';
import { schemeOf } from '../../registry/url.js';
import { isLoopback } from '../../runtime/ip.js';
import { parseHostPort } from '../../runtime/host-port.js';
import { ADDRESS_RULE, parseAddressChoice } from '../address.js';
import { LOG_LEVELS } from './config.js';
import { expandProbeText, PROBE_TEXT_RULE } from './probe-text.js';
import { duration, flag, host, list, matching, name, number, object, oneOf, port, text, whole } from './rules.js';
import { STATUS_RULE, parseStatusRange } from './status-range.js';
